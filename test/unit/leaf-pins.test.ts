// Whose certificate is it? Exact names and keys only.
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { matchesLeafPin, readLeafNames, spkiSha256 } from '../../src/tls/leaf-pins.ts';
import { issueLeaf, spkiPin, testPki, type Pki } from '../support/pki.ts';

let pki: Pki;
beforeAll(async () => {
  pki = await testPki();
});

async function leafWith(sans: string[]): Promise<X509Certificate> {
  const { certPem } = await issueLeaf({ issuer: pki.issuers.leanIntermediate, sans, eku: ['clientAuth'] });
  return new X509Certificate(certPem);
}

const leanName = { kind: 'dns', value: 'webhooks.leantech.me' } as const;

describe('names', () => {
  it('reads every dns and uri name, and no other kind', async () => {
    const leaf = await leafWith([
      'dns:a.example',
      'ip:127.0.0.1',
      'uri:spiffe://lean/webhooks',
      'dns:B.example',
    ]);
    expect(readLeafNames(leaf.raw)).toEqual({
      dns: ['a.example', 'b.example'],
      uri: ['spiffe://lean/webhooks'],
    });
  });

  it('reads none where there is no list of names', async () => {
    expect(readLeafNames((await leafWith([])).raw)).toEqual({ dns: [], uri: [] });
  });

  it.each<[string, string[], boolean]>([
    ['the name itself', ['dns:webhooks.leantech.me'], true],
    ['the name in capitals, which DNS holds for the same', ['dns:WEBHOOKS.leantech.me'], true],
    ['the name among others', ['dns:a.example', 'dns:webhooks.leantech.me'], true],
    ['a longer name', ['dns:webhooks.leantech.me.evil.example'], false],
    ['a name below it', ['dns:evil.webhooks.leantech.me'], false],
    ['a wildcard', ['dns:*.leantech.me'], false],
    ['a URI that holds it', ['uri:https://webhooks.leantech.me'], false],
    ['a URI that prints like it', ['uri:x, DNS:webhooks.leantech.me'.replace(' ', '')], false],
  ])('%s', async (_name, sans, matches) => {
    expect(matchesLeafPin(await leafWith(sans), [leanName])).toBe(matches);
  });

  it('a URI counts letter by letter', async () => {
    const leaf = await leafWith(['uri:spiffe://lean/Webhooks']);
    expect(matchesLeafPin(leaf, [{ kind: 'uri', value: 'spiffe://lean/Webhooks' }])).toBe(true);
    expect(matchesLeafPin(leaf, [{ kind: 'uri', value: 'spiffe://lean/webhooks' }])).toBe(false);
  });

  it('no list of names matches nobody', async () => {
    expect(matchesLeafPin(await leafWith(['dns:webhooks.leantech.me']), [])).toBe(false);
  });
});

it('a key pin is the SHA-256 of the public key and matches that key alone', () => {
  const lean = new X509Certificate(pki.lean.webhookClient.certPem);
  const other = new X509Certificate(pki.otherCustomer.certPem);
  expect(`sha256/${spkiSha256(lean)}`).toBe(spkiPin(pki.lean.webhookClient.certPem));
  const pin = { kind: 'spki', value: spkiSha256(lean) } as const;
  expect([lean, other].map((leaf) => matchesLeafPin(leaf, [pin]))).toEqual([true, false]);
});

describe('bytes that are no strict certificate', () => {
  it('give no names whatever is changed, cut off or added, and never anything but names or none', async () => {
    const { raw } = await leafWith(['dns:webhooks.leantech.me']);
    const mutation = fc.record({
      at: fc.nat(raw.length - 1),
      byte: fc.nat(255),
      keep: fc.integer({ min: 0, max: raw.length }),
      tail: fc.uint8Array({ maxLength: 4 }),
    });
    fc.assert(
      fc.property(mutation, ({ at, byte, keep, tail }) => {
        const changed = Buffer.from(raw);
        changed[at] = byte;
        const names = readLeafNames(Buffer.concat([changed.subarray(0, keep), tail]));
        expect(names === null || Array.isArray(names.dns)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(readLeafNames(Buffer.concat([raw, Buffer.of(0)]))).toBeNull();
    expect(readLeafNames(raw.subarray(0, -1))).toBeNull();
  });

  it('give no names when a name holds a NUL', async () => {
    const { raw } = await leafWith(['dns:webhooks.leantech.me']);
    const changed = Buffer.from(raw);
    changed[changed.lastIndexOf('leantech') - 1] = 0;
    expect(readLeafNames(changed)).toBeNull();
  });
});
