// The rules about the bytes of a certificate: strict DER, extensions, algorithms.
import { inFile, type Mutation } from './mutation.ts';

export const byteMutations: readonly Mutation[] = [
  ...inFile('tls/certificate-der.ts', 'verify-chain-der', [
    ['20,000 bytes', 'if (der.length > maxCertificateBytes)', 'if (false)'],
    [
      'inner and outer algorithm',
      'if (!sameBytes(fields.innerAlgorithm.encoded, outerAlgorithm.encoded))',
      'if (false)',
    ],
    ['keys on the list', 'attempt(() => checkKeyAlgorithm(fields.publicKeyInfo.encoded));', ''],
    ['keys are strong', 'checkKeyStrength(key);', ''],
    [
      'version 3',
      "if (version === undefined || !sameBytes(version.encoded, Buffer.from(version3, 'hex')))",
      'if (false)',
    ],
    ['serial of 20 bytes', "if (serial.replace(/^00/, '').length > 2 * maxSerialBytes)", 'if (false)'],
    ['an issuer has a name', "if (issuer.parts.length === 0) return 'NAME_EMPTY';", ''],
    [
      'a subject or critical names',
      "if (subject.parts.length === 0 && (isCa || !alternativeNames?.critical)) return 'NAME_EMPTY';",
      '',
    ],
    ['authorities name their key', "if (isCa && subjectKeyId === null) return 'KEY_IDENTIFIER_MISSING';", ''],
    ['two times', "if (moreTimes.length > 0) throw new DerError('more fields than there are');", ''],
    [
      'no unknown fields',
      'if (!ordered || tags.some((tag) => ![0x81, 0x82, 0xa3].includes(tag)))',
      'if (false)',
    ],
    ['whole bytes of signature', 'readBitStringBytes(signature);', ''],
  ]),
  ...inFile('tls/certificate-extensions.ts', 'verify-chain-der', [
    ['no extension twice', 'if (found.size !== extensions.length)', 'if (false)'],
    ['no proxy, address block', 'if (extensions.some(({ oid }) => refusedOids.has(oid)))', 'if (false)'],
    [
      'no unknown critical extension',
      'if (extensions.some(({ oid, critical }) => critical && !criticalOids.has(oid)))',
      'if (false)',
    ],
    [
      'no critical Netscape type',
      "if (found.get(netscapeTypeOid)?.critical) throw new ChainRefused('EXTENSION_NOT_SUPPORTED');",
      '',
    ],
    [
      'no other Netscape type',
      'if (!attemptExtension(() => isNetscapeTypeHarmless(found.get(netscapeTypeOid), decoded)))',
      'if (false)',
    ],
    ['flag of an extension', 'if (rest.length > 2 || (flag && !critical))', 'if (rest.length > 2)'],
    ['fields of an extension', 'if (rest.length > 2 || (flag && !critical))', 'if (flag && !critical)'],
    [
      'no empty list of extensions',
      "if (extensions.length === 0) throw new DerError('empty list of extensions');",
      '',
    ],
    ['no path length without authority', 'if (rest.length > (isCa ? 1 : 0))', 'if (rest.length > 1)'],
    ['no empty keyUsage', "if (bits === 0) throw new DerError('empty key usage');", ''],
    ['no empty purposes', "if (purposes.length === 0) throw new DerError('empty extended key usage');", ''],
    [
      'authority key identifier is sound',
      'if (!ordered || tags.some((tag) => ![0x80, 0xa1, 0x82].includes(tag)))',
      'if (false)',
    ],
    ['distribution points are sound', "else throw new DerError('malformed distribution point');", ''],
    [
      'distribution points are some',
      "if (points.length === 0) throw new DerError('no distribution point');",
      '',
    ],
  ]),
  ...inFile('tls/signature-algorithms.ts', 'verify-chain-algorithms', [
    [
      'signatures on the list',
      "throw new ChainRefused('SIGNATURE_ALGORITHM_NOT_ALLOWED');\n}\n\n/** RFC 4055, 3.1",
      "return plain('sha256', ['rsa', 'ec']);\n}\n\n/** RFC 4055, 3.1",
    ],
    ['PSS salt', 'saltLength >= known.bytes &&', ''],
    ['PSS mask digest', 'readDigest(maskDigest) === digestName &&', ''],
    ['keys on the list, by bytes', 'if (!known || readBit', 'if (readBit'],
    ['keys of 1,100 bytes', ' || readBitStringBytes(bits).length > maxKeyBytes', ''],
    ['RSA of 2048 bits', 'if (modulusLength < minRsaBits || modulusLength > maxRsaBits) return false;', ''],
    [
      'RSA exponent',
      'return publicExponent >= 3n && publicExponent < maxRsaExponent && publicExponent % 2n === 1n;',
      'return true;',
    ],
    [
      'signatures of lists',
      'return verify(algorithm.digest, signed, { key, ...padding }, signature);',
      'return true;',
    ],
  ]),
  ...inFile('tls/der.ts', 'der', [
    ['nothing behind a value', "if (end !== bytes.length) throw new DerError('bytes follow the value');", ''],
    ['the right tag', 'if (element.tag !== tag)', 'if (false)'],
    ['values are whole', "if (end > bytes.length) throw new DerError('value is cut off');", ''],
    ['shortest lengths', 'if (length < 0x80 || length < 256 ** (count - 1))', 'if (false)'],
    ['single-byte tags', 'if ((tag & 0x1f) === 0x1f)', 'if (false)'],
  ]),
  ...inFile('tls/der-values.ts', 'verify-chain-der', [
    ['one true', '(byte !== 0xff && byte !== 0)', 'false'],
    ['shortest integers', "if (padded) throw new DerError('integer is not minimal');", ''],
    ['shortest bit strings', "throw new DerError('bit string is not minimal');", ';'],
    ['whole bytes', 'if (content.length < 2 || content[0] !== 0)', 'if (content.length < 2)'],
    ['days that exist', 'if (Number.isNaN(date.getTime()) || date.toISOString() !== iso)', 'if (false)'],
    ['identifiers are complete', '(content.at(-1) ?? 0x80) >= 0x80 || startsPadded', 'startsPadded'],
    [
      'identifiers are shortest',
      '(content.at(-1) ?? 0x80) >= 0x80 || startsPadded',
      '(content.at(-1) ?? 0x80) >= 0x80',
    ],
  ]),
  ...inFile('tls/general-names.ts', 'verify-chain-der', [
    ['at least one name', "if (names.length === 0) throw new DerError('empty list of names');", ''],
    ['no line breaks in names', 'if (content.some((byte) => byte < 0x20 || byte > 0x7e))', 'if (false)'],
    [
      'kinds of names',
      'throw new DerError(`general name of tag ${tag}`);',
      "return { kind: 'other', text: '' };",
    ],
  ]),
];
