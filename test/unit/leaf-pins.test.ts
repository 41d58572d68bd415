// Whose certificate is it? Exact names and keys only.
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  matchesLeafPin,
  printLeafNames,
  readLeafIdentity,
  type LeafIdentity,
} from '../../src/tls/leaf-pins.ts';
import { rsaKeys, subjectAltName, writeAuthority, writeLeaf } from '../support/certificate-writer.ts';
import { issueLeaf, spkiPin, testPki, type Identity, type Pki } from '../support/pki.ts';

let pki: Pki;
beforeAll(async () => {
  pki = await testPki();
});

async function rawLeafWith(sans: string[]): Promise<Buffer> {
  const { certPem } = await issueLeaf({ issuer: pki.issuers.leanIntermediate, sans, eku: ['clientAuth'] });
  return new X509Certificate(certPem).raw;
}
const leafWith = async (sans: string[]) => readLeafIdentity(await rawLeafWith(sans));
const identityOf = ({ certPem }: Identity) => readLeafIdentity(new X509Certificate(certPem).raw);

/** Names written byte by byte, as no library would write them. */
const writtenLeaf = (...names: string[]) =>
  readLeafIdentity(
    writeLeaf({ issuer: writeAuthority(), extensions: { subjectAltName: subjectAltName(...names) } }).der,
  );

const leanName = { kind: 'dns', value: 'webhooks.leantech.me' } as const;

describe('names', () => {
  it('reads every dns and uri name, and no other kind', async () => {
    const leaf = await leafWith([
      'dns:a.example',
      'ip:127.0.0.1',
      'uri:spiffe://lean/webhooks',
      'dns:B.example',
    ]);
    expect(leaf?.names).toEqual({
      dns: ['a.example', 'b.example'],
      uri: ['spiffe://lean/webhooks'],
    });
  });

  it('reads none where there is no list of names', async () => {
    expect((await leafWith([]))?.names).toEqual({ dns: [], uri: [] });
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
  const lean = identityOf(pki.lean.webhookClient);
  expect(`sha256/${lean?.spkiSha256}`).toBe(spkiPin(pki.lean.webhookClient.certPem));
  const pin = { kind: 'spki', value: lean?.spkiSha256 ?? '' } as const;
  expect([lean, identityOf(pki.otherCustomer)].map((leaf) => matchesLeafPin(leaf, [pin]))).toEqual([
    true,
    false,
  ]);
});

it('while a key is changed, two pins let both keys in and no third', () => {
  const pins = [pki.lean.webhookClient, pki.otherCustomer].map(
    ({ certPem }) => ({ kind: 'spki', value: spkiPin(certPem).slice('sha256/'.length) }) as const,
  );
  const leaves = [pki.lean.webhookClient, pki.otherCustomer, pki.application].map(identityOf);
  expect(leaves.map((leaf) => matchesLeafPin(leaf, pins))).toEqual([true, true, false]);
});

it.each<[string, () => Identity]>([
  ['our own application certificate', () => pki.application],
  ["another customer's certificate", () => pki.otherCustomer],
])('%s is not on the list, though Lean issued it', (_whose, identity) => {
  const pins = [leanName, { kind: 'spki', value: spkiPin(pki.lean.webhookClient.certPem).slice(7) } as const];
  expect(identityOf(identity())).not.toBeNull();
  expect(matchesLeafPin(identityOf(identity()), pins)).toBe(false);
  expect(matchesLeafPin(identityOf(pki.lean.webhookClient), pins)).toBe(true);
});

describe('a certificate that the verifier cannot read is nobody', () => {
  it('whatever is changed, cut off or added to its bytes, and never anything else', async () => {
    const raw = await rawLeafWith(['dns:webhooks.leantech.me']);
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
        const identity = readLeafIdentity(Buffer.concat([changed.subarray(0, keep), tail]));
        expect(identity === null || Array.isArray(identity.names.dns)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
    expect(readLeafIdentity(Buffer.concat([raw, Buffer.of(0)]))).toBeNull();
    expect(readLeafIdentity(raw.subarray(0, -1))).toBeNull();
  });

  it.each<[string, () => LeafIdentity | null]>([
    ['a NUL in a name', () => writtenLeaf('dns:webhooks.leantech.me\0.evil.example')],
    ['a NUL in a second name', () => writtenLeaf('dns:webhooks.leantech.me', 'uri:a:\0')],
    ['a line break in a name', () => writtenLeaf('dns:webhooks.leantech.me\n')],
    ['a space in a name', () => writtenLeaf('dns:webhooks.leantech.me ')],
    ['a space in a second name', () => writtenLeaf('dns:webhooks.leantech.me', 'uri:a: b')],
    ['a letter above ASCII', () => writtenLeaf('dns:webhooks.leantech.m\xe9')],
    [
      'two lists of names',
      () => {
        const second = subjectAltName('dns:webhooks.leantech.me');
        return readLeafIdentity(writeLeaf({ issuer: writeAuthority(), extensions: { second } }).der);
      },
    ],
    [
      'a key that is too short',
      () => readLeafIdentity(writeLeaf({ issuer: writeAuthority(), keys: rsaKeys(1024) }).der),
    ],
  ])('with %s', (_what, read) => {
    expect(writtenLeaf('dns:webhooks.leantech.me')?.names.dns).toEqual(['webhooks.leantech.me']);
    expect(read()).toBeNull();
  });

  it('and nobody is on a list, nor has a name', () => {
    expect(matchesLeafPin(null, [leanName])).toBe(false);
    expect(printLeafNames(null)).toBe('');
  });
});

describe('names are printed as LEAN_CLIENT_NAMES takes them', () => {
  it('each with its kind, separated by commas', async () => {
    const leaf = await leafWith(['dns:Webhooks.leantech.me', 'ip:127.0.0.1', 'uri:spiffe://lean/Webhooks']);
    expect(printLeafNames(leaf)).toBe('dns:webhooks.leantech.me,uri:spiffe://lean/Webhooks');
  });

  it('and a comma inside a name never makes two names of one', () => {
    const leaf = writtenLeaf('dns:a.example,dns:b.example', 'uri:x:y,dns:webhooks.leantech.me');
    expect(printLeafNames(leaf)).toBe('dns:a.example%2Cdns:b.example,uri:x:y%2Cdns:webhooks.leantech.me');
    expect(matchesLeafPin(leaf, [leanName])).toBe(false);
  });
});
