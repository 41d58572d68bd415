// The project's own conformance cases, with certificates made at every run: one for each rule that decides who gets in.
import { createHash } from 'node:crypto';
import {
  basicConstraints,
  ecKeys,
  extendedKeyUsage,
  nameConstraints,
  rsaKeys,
  subjectAltName,
  testNow,
  toPem,
  writeAuthority,
  writeLeaf,
  writeRevocationList,
  type CertificateWish,
  type TestKeys,
  type Written,
} from '../support/certificate-writer.ts';
import {
  distinguishedName,
  explicit,
  extension,
  generalName,
  integer,
  namedBits,
  oids,
  sequence,
} from '../support/der-writer.ts';
import type { ExpectedCase } from './case.ts';

interface Parts {
  readonly leaf: Written;
  readonly intermediates?: readonly Written[];
  readonly roots: readonly Written[];
  readonly crls?: readonly Buffer[];
  readonly pins?: readonly string[];
}

export function makeOwnCases(): ExpectedCase[] {
  const root = writeAuthority();
  const issuing = writeAuthority({ subject: 'Issuing', issuer: root });
  return [
    ...leafCases(root),
    ...authorityCases(root),
    ...nameCases(root),
    ...revocationCases(root, issuing),
    ...bombCases(root, issuing),
    ...pinCases(root, issuing),
  ];
}

function toCase(id: string, expected: ExpectedCase['expected'], parts: Parts): ExpectedCase {
  const { leaf, intermediates = [], roots, crls = [], pins } = parts;
  return {
    id,
    expected,
    trusted_roots_pem: pem(roots),
    intermediates_pem: pem(intermediates),
    leaf_pem: toPem(leaf.der),
    validation_time: testNow.toISOString(),
    crls_pem: crls.map((der) => toPem(der, 'X509 CRL')),
    ...(pins && { pins: [...pins] }),
  };
}

const pem = (certificates: readonly Written[]) => certificates.map(({ der }) => toPem(der));
const keyUsage = (...bits: number[]) =>
  extension(oids.keyUsage, { critical: true, value: namedBits(...bits) });
const critical = (oid: string) => extension(oid, { critical: true, value: sequence() });

function leafCases(root: Written): ExpectedCase[] {
  const wishes: [id: string, expected: ExpectedCase['expected'], wish: CertificateWish][] = [
    ['sound', 'accept', {}],
    ['rsa', 'accept', { keys: rsaKeys() }],
    ['without-purposes', 'accept', { extensions: { extendedKeyUsage: null } }],
    ['server-purpose', 'reject', { extensions: { extendedKeyUsage: extendedKeyUsage(oids.serverAuth) } }],
    [
      'any-purpose',
      'reject',
      { extensions: { extendedKeyUsage: extendedKeyUsage(oids.anyExtendedKeyUsage) } },
    ],
    ['expired', 'reject', { notAfter: testNow }],
    ['not-yet-valid', 'reject', { notBefore: new Date(testNow.getTime() + 1000) }],
    [
      'authority',
      'reject',
      { extensions: { basicConstraints: basicConstraints({}), keyUsage: keyUsage(0, 5) } },
    ],
    ['no-digital-signature', 'reject', { extensions: { keyUsage: keyUsage(2) } }],
    ['unknown-critical-extension', 'reject', { extensions: { odd: critical('1.2.3.4') } }],
    ['unknown-extension', 'accept', { extensions: { odd: extension('1.2.3.4', { value: sequence() }) } }],
    ['critical-policy-constraints', 'reject', { extensions: { odd: critical(oids.policyConstraints) } }],
    ['critical-policy-mappings', 'reject', { extensions: { odd: critical(oids.policyMappings) } }],
    ['critical-inhibit-any-policy', 'reject', { extensions: { odd: critical(oids.inhibitAnyPolicy) } }],
    ['repeated-extension', 'reject', { extensions: { odd: subjectAltName('dns:a.example') } }],
    ['version-1', 'reject', { version: Buffer.alloc(0), extensions: {} }],
    ['version-2', 'reject', { version: explicit(0, integer(1)) }],
    ['forged', 'reject', { genuine: false }],
    ['stranger', 'reject', { issuerName: distinguishedName([oids.commonName, 'Stranger']) }],
    ['rsa-1024', 'reject', { keys: rsaKeys(1024) }],
    ['secp256k1', 'reject', { keys: ecKeys('secp256k1') }],
    ['sha-1', 'reject', { digest: 'sha1' }],
    ['padded-serial', 'reject', { serial: Buffer.of(0, 1) }],
  ];
  return wishes.map(([id, expected, wish]) =>
    toCase(`leaf/${id}`, expected, { leaf: writeLeaf({ ...wish, issuer: root }), roots: [root] }),
  );
}

/** A sound leaf below an authority that the peer presents. */
const below = (authority: Written, roots: readonly Written[]): Parts => ({
  leaf: writeLeaf({ issuer: authority }),
  intermediates: [authority],
  roots,
});

function authorityCases(root: Written): ExpectedCase[] {
  const wishes: [id: string, expected: ExpectedCase['expected'], wish: CertificateWish][] = [
    ['sound', 'accept', {}],
    ['client-purpose', 'accept', { extensions: { eku: extendedKeyUsage(oids.clientAuth) } }],
    ['server-purpose', 'reject', { extensions: { eku: extendedKeyUsage(oids.serverAuth) } }],
    ['no-basic-constraints', 'reject', { extensions: { basicConstraints: null } }],
    [
      'basic-constraints-false',
      'reject',
      { extensions: { basicConstraints: critical(oids.basicConstraints) } },
    ],
    ['may-not-sign', 'reject', { extensions: { keyUsage: keyUsage(6) } }],
    ['expired', 'reject', { notAfter: testNow }],
    ['forged', 'reject', { genuine: false }],
  ];
  const short = writeAuthority({ extensions: { basicConstraints: basicConstraints({ pathLength: 0 }) } });
  const expired = writeAuthority({ subject: 'Expired', notAfter: testNow });
  return [
    ...wishes.map(([id, expected, wish]) => {
      const authority = writeAuthority({ subject: 'Issuing', issuer: root, ...wish });
      return toCase(`authority/${id}`, expected, below(authority, [root]));
    }),
    toCase(
      'authority/path-length',
      'reject',
      below(writeAuthority({ subject: 'Below', issuer: short }), [short]),
    ),
    toCase('authority/path-length-self-issued', 'accept', below(writeAuthority({ issuer: short }), [short])),
    toCase('anchor/expired', 'reject', { leaf: writeLeaf({ issuer: expired }), roots: [expired] }),
    toCase('anchor/none', 'reject', { leaf: writeLeaf({ issuer: root }), roots: [] }),
    toCase('anchor/same-name', 'reject', { leaf: writeLeaf({ issuer: root }), roots: [writeAuthority()] }),
  ];
}

function nameCases(root: Written): ExpectedCase[] {
  const bases: [kind: string, base: string, inside: string, outside: string][] = [
    ['dns', 'dns:leantech.me', 'dns:a.leantech.me', 'dns:leantech.me.evil.example'],
    ['email', 'email:leantech.me', 'email:a@leantech.me', 'email:a@evil.example'],
    ['uri', 'uri:.leantech.me', 'uri:https://a.leantech.me/', 'uri:https://evil.example/'],
    ['ip', 'ip:0a000000ff000000', 'ip:0a010203', 'ip:0b010203'],
  ];
  return bases.flatMap(([kind, base, inside, outside]) => {
    const judge = (
      id: string,
      expected: ExpectedCase['expected'],
      list: 'permitted' | 'excluded',
      name: string,
    ) => {
      const constraint = nameConstraints({ [list]: [generalName(base)] });
      const authority = writeAuthority({ subject: 'Issuing', issuer: root, extensions: { constraint } });
      const leaf = writeLeaf({
        issuer: authority,
        extensions: { subjectAltName: subjectAltName(name) },
        subject: 'x',
      });
      return toCase(`names/${kind}-${id}`, expected, { leaf, intermediates: [authority], roots: [root] });
    };
    return [
      judge('permitted', 'accept', 'permitted', inside),
      judge('not-permitted', 'reject', 'permitted', outside),
      judge('excluded', 'reject', 'excluded', inside),
      judge('not-excluded', 'accept', 'excluded', outside),
    ];
  });
}

function revocationCases(root: Written, issuing: Written): ExpectedCase[] {
  const leaf = writeLeaf({ issuer: issuing });
  const fromRoot = writeRevocationList({ issuer: root });
  const from = (wish: Partial<Parameters<typeof writeRevocationList>[0]>) =>
    writeRevocationList({ issuer: issuing, ...wish });
  const lists: [id: string, expected: ExpectedCase['expected'], crls: Buffer[]][] = [
    ['none-revoked', 'accept', [fromRoot, from({})]],
    ['revoked', 'reject', [fromRoot, from({ revoked: [leaf] })]],
    ['authority-revoked', 'reject', [writeRevocationList({ issuer: root, revoked: [issuing] }), from({})]],
    ['missing', 'reject', [fromRoot]],
    ['ended', 'reject', [fromRoot, from({ nextUpdate: testNow })]],
    ['forged', 'reject', [fromRoot, from({ signer: ecKeys() })]],
    ['delta', 'reject', [fromRoot, from({ extensions: [critical(oids.deltaIndicator)] })]],
    ['unreadable', 'reject', [fromRoot, from({}), Buffer.of(0x30, 0)]],
  ];
  return lists.map(([id, expected, crls]) =>
    toCase(`revocation/${id}`, expected, { leaf, intermediates: [issuing], roots: [root], crls }),
  );
}

function bombCases(root: Written, issuing: Written): ExpectedCase[] {
  const one = writeAuthority({ subject: 'One' });
  const two = writeAuthority({ subject: 'Two', issuer: one });
  const oneByTwo = writeAuthority({ subject: 'One', keys: one.keys, issuer: two });
  const thousand = Array.from({ length: 1000 }, () => issuing);
  return [
    toCase('bomb/thousand-intermediates', 'reject', {
      leaf: writeLeaf({ issuer: issuing }),
      intermediates: thousand,
      roots: [root],
    }),
    toCase('bomb/circle', 'reject', {
      leaf: writeLeaf({ issuer: two }),
      intermediates: [two, oneByTwo],
      roots: [root],
    }),
  ];
}

function pinCases(root: Written, issuing: Written): ExpectedCase[] {
  const leanName = 'dns:webhooks.leantech.me';
  const keys = ecKeys();
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  const keyPin = `sha256/${createHash('sha256').update(spki).digest('base64')}`;
  const judge = (
    id: string,
    expected: ExpectedCase['expected'],
    wish: { names?: readonly string[]; keys?: TestKeys; pins?: readonly string[] },
  ) => {
    const { names = [leanName], keys: leafKeys = ecKeys(), pins = [leanName] } = wish;
    const extensions = { subjectAltName: names.length === 0 ? null : subjectAltName(...names) };
    const leaf = writeLeaf({ issuer: issuing, keys: leafKeys, extensions });
    return toCase(`pin/${id}`, expected, { leaf, intermediates: [issuing], roots: [root], pins });
  };
  return [
    judge('own-name', 'accept', {}),
    judge('own-name-in-capitals', 'accept', { names: ['dns:WEBHOOKS.leantech.me'] }),
    judge('another-customer', 'reject', { names: ['dns:customer-42.clients.leantech.me'] }),
    judge('longer-name', 'reject', { names: [`${leanName}.evil.example`] }),
    judge('wildcard', 'reject', { names: ['dns:*.leantech.me'] }),
    judge('common-name-only', 'reject', { names: [] }),
    judge('uri-that-reads-like-it', 'reject', { names: ['uri:x:DNS:webhooks.leantech.me'] }),
    judge('name-with-a-nul', 'reject', { names: [`${leanName}\0.evil.example`] }),
    judge('name-with-a-space', 'reject', { names: [leanName, 'dns:a b'] }),
    judge('own-uri', 'accept', { names: ['uri:spiffe://lean/a'], pins: ['uri:spiffe://lean/a'] }),
    judge('uri-in-capitals', 'reject', { names: ['uri:spiffe://lean/A'], pins: ['uri:spiffe://lean/a'] }),
    judge('own-key', 'accept', { keys, names: [], pins: [keyPin] }),
    judge('another-key', 'reject', { pins: [keyPin] }),
    judge('one-of-two-keys', 'accept', { keys, pins: ['sha256/AAAA', keyPin] }),
    judge('no-pin', 'reject', { pins: [] }),
  ];
}
