// What is believed of a header that should hold a certificate: for every load balancer the same rules.
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  forwardedFormats,
  readForwardedCertificate,
  type ForwardedFormat,
} from '../../src/tls/forwarded-certificate.ts';
import { forwardedSample, type ForwardedCertificates } from '../fixtures/forwarded/index.ts';
import { bitString, integer, sequence } from '../support/der-writer.ts';
import { testPki, type Identity, type Pki } from '../support/pki.ts';

const formats = [
  'rfc9440',
  'envoy',
  'nginx',
  'haproxy',
  'aws-alb-verify',
  'aws-alb-passthrough',
  'traefik',
] as const satisfies readonly ForwardedFormat[];
const withChain: ReadonlySet<ForwardedFormat> = new Set([
  'rfc9440',
  'envoy',
  'haproxy',
  'aws-alb-passthrough',
  'traefik',
]);

let pki: Pki;
let lean: ForwardedCertificates;
let stranger: ForwardedCertificates;
beforeAll(async () => {
  pki = await testPki();
  lean = certificatesOf(pki.lean.webhookClient);
  stranger = certificatesOf(pki.rogue);
});

function certificatesOf({ certPem, chainPem }: Identity): ForwardedCertificates {
  const blocks = chainPem.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----/g) ?? [];
  const [leafDer, ...intermediatesDer] = blocks.map((block) => new X509Certificate(block).raw);
  return { leafDer: leafDer ?? new X509Certificate(certPem).raw, intermediatesDer };
}

/** Something of a certificate's outline, of this many bytes: from 300 on, 13 are tags, lengths and unused bits. */
const outline = (length: number) => sequence(sequence(), sequence(), bitString(Buffer.alloc(length - 13)));

const leafOf = (certificates: ForwardedCertificates) => ({ ...certificates, intermediatesDer: [] });
const large = (length: number) => ({ leafDer: outline(length), intermediatesDer: [] });
const many = (count: number) => ({
  leafDer: outline(400),
  intermediatesDer: Array.from({ length: count }, (_, index) => outline(401 + index)),
});

const refused = (reason: string) => ({ kind: 'unreadable', reason });
const absent = { kind: 'absent' };
const presented = ({ leafDer, intermediatesDer }: ForwardedCertificates) => ({
  kind: 'presented',
  leafDer: Buffer.from(leafDer),
  intermediatesDer: intermediatesDer.map((der) => Buffer.from(der)),
});

/** Of the lines, those of one name, names in lower case. */
function isNamed(name: string): (line: readonly string[]) => boolean {
  return ([first = '']) => first.toLowerCase() === name.toLowerCase();
}
const linesOf = (rawHeaders: readonly string[]) =>
  Array.from({ length: rawHeaders.length / 2 }, (_, index) => rawHeaders.slice(2 * index, 2 * index + 2));

describe.each(formats)('%s', (format) => {
  const read = (lines: readonly (readonly string[])[]) => readForwardedCertificate(lines.flat(), format);
  const certificateHeader = forwardedFormats[format].headers[0] ?? '';
  const sample = (certificates: ForwardedCertificates) => linesOf(forwardedSample(format, certificates));
  const renamed = (change: (name: string) => string) =>
    sample(lean).map(([name = '', value = '']) => [change(name), value]);
  /** The sample with another value of the certificate's header. */
  const withValue = (change: (value: string) => string) =>
    sample(lean).map((line) => {
      const [name = '', value = ''] = line;
      return isNamed(certificateHeader)(line) ? [name, change(value)] : line;
    });

  it('gives the leaf', () => {
    expect(read(sample(leafOf(lean)))).toEqual(presented(leafOf(lean)));
  });

  it('gives the intermediates too, where the load balancer has them', () => {
    const expected = withChain.has(format) ? lean : leafOf(lean);
    expect(lean.intermediatesDer).toHaveLength(1);
    expect(read(sample(lean))).toEqual(presented(expected));
  });

  it('gives ten intermediates in their order, and refuses eleven', () => {
    const [ten, eleven] = [many(10), many(11)];
    expect(read(sample(ten))).toEqual(presented(withChain.has(format) ? ten : leafOf(ten)));
    const expected = withChain.has(format) ? refused('HEADER_TOO_LARGE') : presented(leafOf(eleven));
    expect(read(sample(eleven))).toEqual(expected);
  });

  it('takes a header by its name, in capitals or not, wherever it stands', () => {
    const lines = sample(lean).map(([name = '', value = '']) => [name.toUpperCase(), value]);
    const others = [
      ['Host', 'localhost'],
      ['Content-Type', 'application/json'],
    ];
    expect(read([...others, ...lines.toReversed(), ...others])).toEqual(read(sample(lean)));
    expect(read(sample(lean)).kind).toBe('presented');
  });

  it('no header: absent', () => {
    expect(read([])).toEqual(absent);
    expect(read(sample(lean).filter((line) => !isNamed(certificateHeader)(line)))).toEqual(absent);
  });

  it('an empty header: absent', () => {
    expect(read(withValue(() => ''))).toEqual(absent);
  });

  it.each(forwardedFormats[format].headers)('two headers are refused: %s', (name) => {
    const lines = sample(lean);
    const line = lines.find(isNamed(name)) ?? [name, ''];
    const spoofed = sample(stranger).find(isNamed(name)) ?? [name, ''];
    expect(read([...lines, line])).toEqual(refused('HEADER_REPEATED'));
    expect(read([spoofed, ...lines])).toEqual(refused('HEADER_REPEATED'));
    expect(read([...lines, [name.toLowerCase(), '']])).toEqual(refused('HEADER_REPEATED'));
    expect(read([[name.toUpperCase(), ''], ...lines])).toEqual(refused('HEADER_REPEATED'));
  });

  it("another scheme's header is ignored", () => {
    const own = new Set(forwardedFormats[format].headers.map((name) => name.toLowerCase()));
    const foreign = formats
      .flatMap((other) => linesOf(forwardedSample(other, stranger)))
      .filter(([name = '']) => !own.has(name.toLowerCase()));
    expect(foreign.length).toBeGreaterThan(5);
    expect(read(foreign)).toEqual(absent);
    expect(read([...foreign, ...sample(lean), ...foreign])).toEqual(read(sample(lean)));
  });

  it('a header with underscores, or another ending, is another header', () => {
    expect(read(renamed((name) => name.replaceAll('-', '_')))).toEqual(absent);
    expect(read(renamed((name) => `${name}-2`))).toEqual(absent);
    expect(read(renamed((name) => name.slice(0, -1)))).toEqual(absent);
  });

  it('a value is not taken for a name', () => {
    expect(readForwardedCertificate(['Host', certificateHeader, 'x', 'y'], format)).toEqual(absent);
  });

  it('more than 100 header lines are refused, for a server may drop some of them', () => {
    const lines = sample(lean);
    const others = Array.from({ length: 100 - lines.length }, (_, index) => [`X-Other-${index}`, 'x']);
    expect(read([...lines, ...others])).toEqual(read(lines));
    expect(read([...lines, ...others, ['X-Other', 'x']])).toEqual(refused('HEADER_TOO_LARGE'));
  });

  it('an oversized header is refused, whatever is in it', () => {
    expect(read(withValue((value) => value.padEnd(32_769, '!')))).toEqual(refused('HEADER_TOO_LARGE'));
    expect(read(withValue((value) => value.padEnd(32_768, '!')))).not.toEqual(refused('HEADER_TOO_LARGE'));
  });

  it('a certificate of more than 20,000 bytes is refused, and one of 20,000 is not', () => {
    expect([large(20_000), large(20_001)].map(({ leafDer }) => leafDer.length)).toEqual([20_000, 20_001]);
    // Envoy sends the leaf twice, so that two of this size do not fit into one header.
    const lines = (length: number) =>
      sample(large(length)).map(([name = '', value = '']) => [name, value.replace(/Chain="[^"]*";/, '')]);
    expect(read(lines(20_000))).toEqual(presented(large(20_000)));
    expect(read(lines(20_001))).toEqual(refused('HEADER_TOO_LARGE'));
  });

  it.each<[string, (value: string) => string]>([
    ['a word', () => 'certificate'],
    ['a blank', () => ' '],
    ['a percent sign that escapes nothing', (value) => `${value}%`],
    ['an escape of no digits', (value) => `${value}%zz`],
    ['an escape of no UTF-8', (value) => `${value}%ff`],
    ['bytes above ASCII', (value) => `${value}\u{e9}`],
    ['the value cut off', (value) => value.slice(0, 200)],
    ['the end of its last certificate cut off', (value) => value.slice(0, -60)],
    ['its last character cut off and another put there', (value) => `${value.slice(0, -1)}!`],
    ['the value twice', (value) => `${value} ${value}`],
    ['the two values as node joins two headers', (value) => `${value}, ${value}`],
    ['text in front of it', (value) => `x${value}`],
    ['text behind it', (value) => `${value}x`],
  ])('undecodable: %s', (_what, change) => {
    // Envoy's stands between quotes; what may stand around them has tests of its own.
    const inQuotes = (value: string) =>
      value.replace(/Cert="([^"]*)"/, (_whole, inside: string) => `Cert="${change(inside)}"`);
    expect(read(withValue(format === 'envoy' ? inQuotes : change))).toEqual(refused('HEADER_UNREADABLE'));
  });

  it.each<[string, (der: Uint8Array) => Uint8Array]>([
    ['a byte behind the certificate', (der) => Buffer.concat([der, Buffer.of(0)])],
    ['another value behind it', (der) => Buffer.concat([der, integer(1)])],
    ['its last byte cut off', (der) => der.subarray(0, -1)],
    ['a byte in front of it', (der) => Buffer.concat([Buffer.of(0), der])],
    ['its length not the shortest', (der) => Buffer.concat([Buffer.of(0x30, 0x83, 0), der.subarray(2)])],
    ['no certificate but a number', () => integer(1)],
    ['no certificate but two fields', () => sequence(sequence(), sequence())],
    ['a fourth field', () => sequence(sequence(), sequence(), bitString(Buffer.of(1)), integer(1))],
    ['fields in another order', () => sequence(sequence(), bitString(Buffer.of(1)), sequence())],
  ])('trailing bytes and other DER that is no certificate: %s', (_what, change) => {
    expect(read(sample({ leafDer: change(lean.leafDer), intermediatesDer: [] }))).toEqual(
      refused('HEADER_UNREADABLE'),
    );
    if (!withChain.has(format)) return;
    const [intermediate = Buffer.alloc(0)] = lean.intermediatesDer;
    const lines = sample({ leafDer: lean.leafDer, intermediatesDer: [change(intermediate)] });
    expect(read(lines)).toEqual(refused('HEADER_UNREADABLE'));
  });
});

it('nginx and haproxy alone count as proven', () => {
  expect(formats.filter((format) => forwardedFormats[format].isProven)).toEqual(['nginx', 'haproxy']);
});
