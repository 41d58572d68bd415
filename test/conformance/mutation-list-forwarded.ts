// The rules about the headers in which a load balancer forwards a certificate.
import { inFile, type Mutation } from './mutation.ts';

export const forwardedMutations: readonly Mutation[] = [
  ...inFile('tls/forwarded-certificate.ts', 'forwarded-certificate', [
    [
      'forwarded: one line of each header',
      "if (more.length > 0) throw new ForwardedRefused('HEADER_REPEATED');",
      '',
    ],
    [
      'forwarded: 100 lines',
      "if (hasTooManyLines(rawHeaders)) throw new ForwardedRefused('HEADER_TOO_LARGE');",
      '',
    ],
    [
      'forwarded: 32 kB',
      "if (value.length > maxValueLength) throw new ForwardedRefused('HEADER_TOO_LARGE');",
      '',
    ],
    [
      'forwarded: ten intermediates',
      "if (chain.intermediatesDer.length > maxIntermediates) throw new ForwardedRefused('HEADER_TOO_LARGE');",
      '',
    ],
    ['forwarded: an empty header is none', "if (certificate === '') return null;", ''],
    [
      'forwarded: nothing is thrown',
      "if (error instanceof ForwardedRefused) return { kind: 'unreadable', reason: error.reason };",
      '',
    ],
  ]),
  ...inFile('core/raw-headers.ts', 'forwarded-certificate', [
    [
      'forwarded: names whole',
      'line?.length === wanted.length && line.toLowerCase() === wanted',
      'line?.toLowerCase().startsWith(wanted)',
    ],
    [
      'forwarded: underscores are no hyphens',
      'line.toLowerCase() === wanted',
      "line.toLowerCase().replaceAll('_', '-') === wanted",
    ],
    ['forwarded: names in any case', 'line.toLowerCase() === wanted', 'line === wanted'],
    ['forwarded: values are no names', 'index += 2', 'index += 1'],
  ]),
  ...inFile('tls/forwarded-certificate.ts', 'forwarded-formats', [
    [
      'forwarded: nginx verified it',
      "if (beside !== 'SUCCESS') throw new ForwardedRefused('PROXY_UNVERIFIED');",
      '',
    ],
    ['forwarded: nginx says SUCCESS', "if (beside !== 'SUCCESS')", "if (!beside.startsWith('SUCCESS'))"],
    [
      'forwarded: nginx says it at all',
      "if (beside !== 'SUCCESS')",
      "if (beside !== 'SUCCESS' && beside !== '')",
    ],
    [
      "forwarded: haproxy's leaf is one",
      'leafDer: readBase64Certificate(certificate),',
      'leafDer: readBase64Concatenation(certificate)[0] ?? new Uint8Array(),',
    ],
    [
      'forwarded: the leaf of aws-alb-verify is one',
      'read: ({ certificate }) => ({ leafDer: readEncodedPem(certificate), intermediatesDer: [] }),',
      'read: ({ certificate }) => leafFirst(readEncodedPemChain(certificate)),',
    ],
    [
      'forwarded: a chain has a leaf',
      'if (leafDer === undefined) throw unreadable();',
      'if (leafDer === undefined) return { leafDer: new Uint8Array(), intermediatesDer };',
    ],
    ['forwarded: haproxy has a chain', "beside === '' ? [] : readBase64Concatenation(beside)", '[]'],
    ['forwarded: rfc9440 has a chain', "beside === '' ? [] : readByteSequenceList(beside)", '[]'],
  ]),
  ...inFile('tls/forwarded-encodings.ts', 'forwarded-formats', [
    [
      'forwarded: one certificate of PEM',
      'if (certificate === undefined || more.length > 0) throw unreadable();',
      'if (certificate === undefined) throw unreadable();',
    ],
    [
      'forwarded: a plus sign is a plus sign',
      'decodeURIComponent(value)',
      "decodeURIComponent(value.replaceAll('+', ' '))",
    ],
    [
      'forwarded: nothing is decoded twice',
      'decodeURIComponent(value)',
      'decodeURIComponent(decodeURIComponent(value))',
    ],
    ['forwarded: no text around PEM', "else if (line !== '') throw unreadable();", ''],
    [
      'forwarded: no empty lines in PEM',
      "} else if (line === '') {\n      throw unreadable();\n    } else {",
      '} else {',
    ],
    [
      'forwarded: PEM of a certificate',
      'if (line === armour.begin) open = [];',
      "if (line.startsWith('-----BEGIN')) open = [];",
    ],
    [
      'forwarded: PEM ends as it began',
      '} else if (line === armour.end) {',
      "} else if (line.startsWith('-----END')) {",
    ],
    ['forwarded: one spelling of base64', "if (bytes.toString('base64') !== value) throw unreadable();", ''],
    ['forwarded: colons', "if (!value.startsWith(':') || !value.endsWith(':')) throw unreadable();", ''],
    ['forwarded: a colon at the start', "!value.startsWith(':') || ", ''],
    ['forwarded: a colon at the end', " || !value.endsWith(':')", ''],
    [
      'forwarded: blanks around commas only',
      'readByteSequence(withoutBlanks(member))',
      "readByteSequence(member.replaceAll(/\\s/g, ''))",
    ],
    [
      'forwarded: blanks are spaces and tabs',
      'readByteSequence(withoutBlanks(member))',
      'readByteSequence(member.trim())',
    ],
  ]),
  ...inFile('tls/forwarded-encodings.ts', 'forwarded-certificate', [
    [
      'forwarded: a malformed escape throws nothing',
      '  } catch {\n    throw unreadable();',
      '  } catch (error) {\n    throw error;',
    ],
    ['forwarded: PEM has an end', 'if (open !== null) throw unreadable();', ''],
    [
      'forwarded: certificates of 20,000 bytes',
      "if (der.length > maxCertificateBytes) throw new ForwardedRefused('HEADER_TOO_LARGE');",
      '',
    ],
    [
      'forwarded: nothing behind a certificate',
      'readElements(readOnly(der, derTags.sequence))',
      'readElements(readElements(der)[0]?.content ?? der)',
    ],
    ['forwarded: three fields', 'tags.length !== certificateTags.length || ', ''],
    [
      'forwarded: the kinds of the fields',
      ' || tags.some((tag, index) => tag !== certificateTags[index])',
      '',
    ],
    ['forwarded: no error of DER gets out', 'if (error instanceof DerError) throw unreadable();', ''],
    [
      'forwarded: certificates of a concatenation are checked',
      '.map(({ encoded }) => checkCertificate(encoded))',
      '.map(({ encoded }) => encoded)',
    ],
  ]),
  ...inFile('tls/forwarded-envoy.ts', 'forwarded-envoy', [
    [
      'forwarded: one element of Envoy',
      "if (text.charAt(end) === ',') throw new ForwardedRefused('HEADER_REPEATED');",
      "if (text.charAt(end) === ',') break;",
    ],
    [
      'forwarded: elements of Envoy are not mixed',
      "if (text.charAt(end) === ',') throw new ForwardedRefused('HEADER_REPEATED');",
      '',
    ],
    [
      'forwarded: one certificate in an element',
      "if (more.length > 0) throw new ForwardedRefused('HEADER_REPEATED');",
      '',
    ],
    ['forwarded: keys of Envoy in any case', 'key.group.toLowerCase()', 'key.group'],
    ["forwarded: Envoy's chain begins with the leaf", ' || Buffer.compare(first, leafDer) !== 0', ''],
    [
      'forwarded: quotes of Envoy',
      "const isQuoted = text.charAt(valueAt) === '\"';",
      'const isQuoted = false;',
    ],
    ['forwarded: escaped quotes of Envoy', '(?:\\\\.[^"\\\\]*)*', ''],
    [
      'forwarded: nothing behind a value of Envoy',
      "if (end < text.length && !';,'.includes(text.charAt(end))) throw unreadable();",
      '',
    ],
    ['forwarded: values of Envoy end at a comma', '/[^",;]*/y', '/[^";]*/y'],
    ['forwarded: values of Envoy hold no quotes', '/[^",;]*/y', '/[^,;]*/y'],
    ['forwarded: keys of Envoy are letters', '/([A-Za-z]+)=/y', '/([^=]*)=/y'],
    [
      'forwarded: pairs of Envoy are whole',
      'if (whole === undefined) throw unreadable();',
      "if (whole === undefined) return { whole: '', group: '' };",
    ],
  ]),
];
