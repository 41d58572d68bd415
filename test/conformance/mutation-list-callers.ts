// The rules about a caller: what it presented, whose that is, who may speak for it, and its signature.
import { inFile, type Mutation } from './mutation.ts';

export const callerMutations: readonly Mutation[] = [
  ...inFile('tls/leaf-pins.ts', 'leaf-pins', [
    [
      'pins: names exactly',
      'return identity.names[kind].includes(value);',
      'return identity.names[kind].some((name) => name.includes(value));',
    ],
    ['pins: the key exactly', 'return value === identity.spkiSha256;', 'return true;'],
    [
      "pins: names of the pin's own kind",
      'name.kind === kind ? [name.text] : []',
      "'text' in name ? [name.text] : []",
    ],
    ['pins: no spaces in names', "name.includes(' ')", 'false'],
    ['pins: DNS names without case', '.map((name) => name.toLowerCase())', ''],
    ['pins: URIs with case', "uri: texts('uri')", "uri: texts('uri').map((name) => name.toLowerCase())"],
    [
      'pins: nobody matches nothing',
      'if (identity === null) return false;',
      'if (identity === null) return true;',
    ],
    [
      'pins: what cannot be read is nobody',
      'return identityOf(readChainCertificate(leafDer));',
      "return identityOf(readChainCertificate(leafDer)) ?? { names: { dns: [], uri: [] }, spkiSha256: '' };",
    ],
    ['pins: one name is printed as one', ".replaceAll(',', '%2C')", ''],
  ]),
  ...inFile('tls/judge-certificate.ts', 'verify-delivery', [
    [
      'caller: a certificate is needed',
      "if (reading.kind === 'absent') return { code: 'CERTIFICATE_REQUIRED', reason: 'NOT_PRESENTED' };",
      "if (reading.kind === 'absent') return null;",
    ],
    ['caller: the chain stands', "if (chain.verdict === 'reject') return refuseChain(chain.reason);", ''],
    [
      "caller: the handshake's verdict counts",
      "if (isVerifiedByTls === false) return { code: 'CERTIFICATE_INVALID', reason: 'HANDSHAKE_UNVERIFIED' };",
      '',
    ],
    [
      'caller: the certificate is on the list',
      "return isLean ? null : { code: 'CERTIFICATE_NOT_LEAN', reason: 'NOT_ON_LIST' };",
      'return null;',
    ],
    ['caller: a key that is not pinned is somebody else', "reason === 'KEY_PIN_REQUIRED' ?", 'false ?'],
  ]),
  ...inFile('tls/judge-certificate.ts', 'peer-reader', [
    [
      'caller: what cannot be read is refused',
      "if (reading.kind === 'unreadable') return { code: 'CERTIFICATE_INVALID', reason: reading.reason };",
      "if (reading.kind === 'unreadable') return null;",
    ],
  ]),
  ...inFile('tls/peer-certificate.ts', 'peer-reader', [
    [
      'caller: no trust, no certificate',
      "if (inForce === null) return { kind: 'absent' };",
      "if (inForce === null) return source(caller).kind === 'absent' ? { kind: 'absent' } : { kind: 'unreadable', reason: 'HEADER_UNREADABLE' };",
    ],
    ['caller: no name of a chain that does not stand', "chain.verdict === 'accept' && ", ''],
    ['caller: the pins', 'isPinned: matchesLeafPin(identity, pins),', 'isPinned: true,'],
    [
      'caller: the presented intermediates',
      'intermediatesDer,\n        anchors',
      'intermediatesDer: [],\n        anchors',
    ],
    ['caller: the revocation lists', 'crls: crls?.lists ?? null,', 'crls: null,'],
    [
      'caller: no verdict of TLS about other purposes',
      "policy.purpose === 'serverAuth' ? null : verdictOfTls(caller)",
      'verdictOfTls(caller)',
    ],
    ['caller: the verdict of TLS', 'socket.authorized : null', 'true : null'],
  ]),
  ...inFile('tls/presented-certificate.ts', 'peer-reader', [
    ['caller: twelve certificates off a socket', ' && intermediatesDer.length < maxPresented - 1', ''],
    ['caller: eleven are not enough', 'const maxPresented = 12;', 'const maxPresented = 11;'],
  ]),
  ...inFile('tls/presented-certificate.ts', 'presented-certificate', [
    [
      'caller: headers of trusted proxies only',
      "if (!proxies.includes(socket.remoteAddress)) return { kind: 'unreadable', reason: 'PROXY_NOT_TRUSTED' };",
      '',
    ],
    ['caller: every line is part of what is remembered', 'lines += `', 'lines = `'],
    [
      'caller: texts remembered are bounded',
      'if (entries.size >= rememberedAtOnce && !oldest.done) entries.delete(oldest.value);',
      '',
    ],
  ]),
  ...inFile('tls/trusted-networks.ts', 'trusted-networks', [
    [
      'networks: families apart',
      '{ ipv4: new BlockList(), ipv6: new BlockList() };',
      '((list) => ({ ipv4: list, ipv6: list }))(new BlockList());',
    ],
    ['networks: mapped addresses are IPv4', "isIPv4(mapped) ? { family: 'ipv4', address: mapped } : ", ''],
    ['networks: mapped networks are IPv4', '(isMapped ? mappedPrefix : 0)', '0'],
    [
      'networks: what is no address is in none',
      'found !== null && lists[found.family].check(found.address, found.family)',
      'found === null || lists[found.family].check(found.address, found.family)',
    ],
    [
      'networks: addresses',
      "if (found === null) throw new RangeError('a network is an address, a slash and the length of its prefix');",
      "if (found === null) return { family: 'ipv4', address: '0.0.0.0', prefix: 0 };",
    ],
    ['networks: one prefix', '/^([^/]*)\\/(\\d{1,3})$/', '/^([^/]*)\\/(\\d{1,3})/'],
  ]),
  ...inFile('receiver/verify-delivery.ts', 'webhook-signature', [
    [
      'signature: every header line',
      "const signatureHeaders = headerValues(rawHeaders, 'lean-signature');",
      "const signatureHeaders = headerValues(rawHeaders, 'lean-signature').slice(0, 1);",
    ],
    ['signature: a wrong one is refused', "if (verdict === 'valid') return null;", 'return null;'],
    [
      'signature: a missing one is refused',
      "return verdict === 'missing' ? 'SIGNATURE_MISSING' : 'SIGNATURE_INVALID';",
      "return verdict === 'missing' ? null : 'SIGNATURE_INVALID';",
    ],
  ]),
  ...inFile('core/raw-headers.ts', 'webhook-signature', [
    ['signature: its own header', 'line.toLowerCase() === wanted', 'true'],
  ]),
  ...inFile('lean/webhook-signature.ts', 'webhook-signature', [
    [
      'signature: there is one',
      "if (header === undefined) return 'missing';",
      "if (header === undefined) return 'valid';",
    ],
    ['signature: there is only one', 'signatureHeaders.length !== 1 || ', ''],
    ['signature: its form', ' || !pattern.test(header)', ''],
    ['signature: the form from end to end', '/^sha512=[0-9a-f]{128}$/', '/sha512=[0-9a-f]{128}/'],
    ['signature: no empty secret', "if (secret === '') continue;", ''],
    ['signature: over the body', '(rawBody)}`', '(new Uint8Array())}`'],
    [
      'signature: compared',
      'matches += Number(timingSafeEqual(given, expected));',
      'matches += Number(given.length === expected.length);',
    ],
    [
      'signature: any active secret',
      "return matches > 0 ? 'valid' : 'invalid';",
      "return matches === secrets.length ? 'valid' : 'invalid';",
    ],
  ]),
  ...inFile('lean/hmac-sha512.ts', 'hmac-sha512', [
    [
      'hmac: a long key is hashed',
      "bytes.byteLength > blockBytes ? hash('sha512', bytes, 'buffer') : bytes",
      'bytes.subarray(0, blockBytes)',
    ],
    ['hmac: the key is masked', 'byte ^ mask', 'byte'],
    ['hmac: only this message', 'inner.subarray(0, end)', 'inner'],
    ['hmac: a long message under the key too', '.update(innerKey).update(message)', '.update(message)'],
  ]),
];
