// Laws about reading forwarded certificates: whatever a caller writes, nothing is thrown, nothing is guessed, and what a
// load balancer writes comes back byte for byte.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSole } from '../../src/tls/der.ts';
import {
  forwardedFormats,
  readForwardedCertificate,
  type ForwardedFormat,
} from '../../src/tls/forwarded-certificate.ts';
import { forwardedSample, type ForwardedCertificates } from '../fixtures/forwarded/index.ts';
import { bitString, octetString, sequence } from '../support/der-writer.ts';
import { expectInTime } from '../support/eventually.ts';

const leafOnly = ['nginx', 'aws-alb-verify'] as const satisfies readonly ForwardedFormat[];
const withChain = [
  'rfc9440',
  'envoy',
  'haproxy',
  'aws-alb-passthrough',
  'traefik',
] as const satisfies readonly ForwardedFormat[];
const formats: readonly ForwardedFormat[] = [...leafOnly, ...withChain];

/** Anything of a certificate's outline. */
const outline = fc
  .record({ inside: fc.uint8Array({ maxLength: 200 }), signature: fc.uint8Array({ maxLength: 80 }) })
  .map(({ inside, signature }) => sequence(sequence(octetString(inside)), sequence(), bitString(signature)));
const chain: fc.Arbitrary<ForwardedCertificates> = fc.record({
  leafDer: outline,
  intermediatesDer: fc.array(outline, { maxLength: 10 }),
});

const linesOf = (rawHeaders: readonly string[]) =>
  Array.from({ length: rawHeaders.length / 2 }, (_, index) => rawHeaders.slice(2 * index, 2 * index + 2));

describe.each(formats)('%s', (format) => {
  const headers = forwardedFormats[format].headers.map((name) => name.toLowerCase());
  const read = (rawHeaders: readonly string[]) => readForwardedCertificate(rawHeaders, format);

  /** Reads, and sees to it that whatever is presented is whole certificates and not too many. */
  function readSoundly(rawHeaders: readonly string[]): ForwardedCertificates | null {
    const reading = read(rawHeaders);
    if (reading.kind !== 'presented') return null;
    const { leafDer, intermediatesDer } = reading;
    for (const der of [leafDer, ...intermediatesDer]) {
      expect(readSole(der).encoded).toHaveLength(der.length);
      expect(der.length).toBeLessThanOrEqual(20_000);
    }
    expect(intermediatesDer.length).toBeLessThanOrEqual(10);
    return reading;
  }

  it('what the load balancer writes comes back byte for byte', () => {
    const wanted = leafOnly.some((name) => name === format)
      ? chain.map(({ leafDer }) => ({ leafDer, intermediatesDer: [] }))
      : chain;
    fc.assert(
      fc.property(wanted, (certificates) => {
        expect(read(forwardedSample(format, certificates))).toEqual({ kind: 'presented', ...certificates });
      }),
    );
  });

  it('no header lines make it throw', () => {
    const name = fc.oneof(fc.constantFrom(...headers), fc.string({ maxLength: 20 }));
    const value = fc.oneof(
      fc.string({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.base64String({ maxLength: 400 }),
      fc.base64String({ maxLength: 400 }).map((base64) => `:${base64}:`),
      fc.stringMatching(/^(Cert|Chain|By)="?[-%0-9A-F\\",;=]{0,200}$/),
    );
    const lines = fc.array(fc.tuple(name, value), { maxLength: 4 });
    fc.assert(
      fc.property(lines, fc.boolean(), (some, isOdd) => {
        expect(() => readSoundly(isOdd ? some.flat().slice(1) : some.flat())).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });

  it('a good value that is changed somewhere is read as whole certificates, or refused', () => {
    const change = fc.record({
      certificates: chain,
      line: fc.nat(1),
      at: fc.nat(),
      remove: fc.nat(3),
      insert: fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom('%', '+', '=', ',', ';', '"', ':', '\\')),
    });
    fc.assert(
      fc.property(change, ({ certificates, line, at, remove, insert }) => {
        const changedName = headers[line % headers.length];
        const lines = linesOf(forwardedSample(format, certificates)).map(([name = '', value = '']) => {
          if (name.toLowerCase() !== changedName) return [name, value];
          const start = at % (value.length + 1);
          return [name, value.slice(0, start) + insert + value.slice(start + remove)];
        });
        const reading = readSoundly(lines.flat());
        // What was read is written and read as the same once more; what was refused may be anything.
        const again = reading && readSoundly(forwardedSample(format, reading));
        expect(again).toEqual(reading);
      }),
      { numRuns: 500 },
    );
  });

  it('the longest hostile values are read in time that grows with their length', () => {
    const hostile = [
      'A',
      ' ',
      '%',
      '%41',
      '"',
      '\\',
      '\\"',
      '=',
      ',',
      ';',
      ':',
      '\n',
      '\r\n',
      ':A:,',
      'A=;',
      '\t,',
    ];
    const starts = ['', 'Cert="', 'Cert=', ':', ':AAAA:,', '-----BEGIN CERTIFICATE-----%0A', 'MAA='];
    const startedAt = performance.now();
    for (const start of starts)
      for (const piece of hostile) {
        const value = start + piece.repeat((32_768 - start.length) / piece.length);
        for (const name of headers) {
          const lines = linesOf(forwardedSample(format, { leafDer: smallest, intermediatesDer: [smallest] }));
          const others = lines.filter(([first = '']) => first.toLowerCase() !== name);
          expect(readSoundly([...others.flat(), name, value])).toBeNull();
        }
      }
    // Some 200 values of 32 kB take a tenth of a second; one that takes the square of its length takes a second alone.
    expectInTime(performance.now() - startedAt, 10_000);
  });
});

const smallest = sequence(sequence(), sequence(), bitString(Buffer.of(1)));

it('no certificate is spelled in two ways where it is base64', () => {
  const character = fc.constantFrom(...Array.from('ABCDwxyz0189+/=-_ \t'));
  fc.assert(
    fc.property(outline, fc.nat(), character, (leafDer, at, changed) => {
      for (const format of ['rfc9440', 'haproxy', 'traefik'] as const) {
        const [name = '', value = ''] = forwardedSample(format, { leafDer, intermediatesDer: [] });
        const place = at % value.length;
        const other = value.slice(0, place) + changed + value.slice(place + 1);
        const reading = readForwardedCertificate([name, other], format);
        const isSame = reading.kind === 'presented' && Buffer.compare(reading.leafDer, leafDer) === 0;
        expect(isSame).toBe(other === value);
      }
    }),
    { numRuns: 500 },
  );
});
