// Who gets in: the rules for a leaf and for its issuers, each by its name.
import { beforeAll, describe, expect, it } from 'vitest';
import { chainRefusals } from '../../src/tls/chain-refusals.ts';
import { decodePem } from '../conformance/case.ts';
import {
  basicConstraints,
  extendedKeyUsage,
  testNotBefore,
  testNow,
  writeAuthority,
  writeCertificate,
  writeLeaf,
  type CertificateWish,
  type ExtensionWishes,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeChain, judgeInAWord } from '../support/chain-judge.ts';
import { distinguishedName, extension, namedBits, oids, sequence } from '../support/der-writer.ts';
import { testPki } from '../support/pki.ts';

let root: Written;
let issuing: Written;
beforeAll(() => {
  root = writeAuthority();
  issuing = writeAuthority({ subject: 'Issuing', issuer: root });
});

const keyUsage = (...bits: number[]) =>
  extension(oids.keyUsage, { critical: true, value: namedBits(...bits) });

/** A chain of root, authority and leaf, with wishes for the last two. */
function judgeWith(wishes: {
  leaf?: CertificateWish;
  authority?: CertificateWish;
  root?: CertificateWish;
}): string {
  const anchor = writeAuthority(wishes.root);
  const authority = writeAuthority({ subject: 'Issuing', issuer: anchor, ...wishes.authority });
  const leaf = writeLeaf({ ...wishes.leaf, issuer: authority });
  return judgeInAWord({ leaf, intermediates: [authority], bundle: [anchor] });
}

describe('gets in', () => {
  it("Lean's sender with its intermediate, and the verdict tells the path, the names, the keys and how long", () => {
    const leaf = writeLeaf({ issuer: issuing, notAfter: new Date('2026-09-01T00:00:00Z') });
    const verdict = judgeChain({ leaf, intermediates: [issuing], bundle: [root] });
    expect(verdict).toMatchObject({
      verdict: 'accept',
      signatureChecks: 2,
      chain: {
        path: [expect.stringMatching(/^[0-9a-f]{64}$/), expect.anything(), expect.anything()],
        keyPins: [expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/), expect.anything(), expect.anything()],
        names: { dns: ['webhooks.leantech.me'], uri: [] },
        validFrom: testNotBefore,
        validUntil: new Date('2026-09-01T00:00:00Z'),
        crlsCurrentUntil: null,
      },
    });
  });

  it('the sender of the PKI that the other tests use', async () => {
    const pki = await testPki();
    const [leaf, intermediate] = [pki.lean.webhookClient.certPem, pki.issuers.leanIntermediate.presentedPem];
    const verdict = judgeChain({
      leaf: { der: decodePem(leaf) },
      intermediates: [{ der: decodePem(intermediate) }],
      bundle: [{ der: Buffer.from(pki.issuers.leanRoot.certificate.rawData) }],
      now: new Date(),
    });
    expect(verdict.verdict).toBe('accept');
  });

  it.each<[string, () => string]>([
    [
      'a leaf issued by the root itself',
      () => judgeInAWord({ leaf: writeLeaf({ issuer: root }), bundle: [root] }),
    ],
    [
      'an intermediate from the bundle instead of the peer',
      () => judgeInAWord({ leaf: writeLeaf({ issuer: issuing }), bundle: [issuing, root] }),
    ],
    [
      'a leaf without a list of purposes',
      () => judgeWith({ leaf: { extensions: { extendedKeyUsage: null } } }),
    ],
    [
      'a leaf with clientAuth among other purposes',
      () =>
        judgeWith({
          leaf: { extensions: { extendedKeyUsage: extendedKeyUsage(oids.serverAuth, oids.clientAuth) } },
        }),
    ],
    ['a leaf without keyUsage', () => judgeWith({ leaf: { extensions: { keyUsage: null } } })],
    [
      'a leaf without basicConstraints',
      () => judgeWith({ leaf: { extensions: { basicConstraints: null } } }),
    ],
    [
      'the issuer in another case, spacing and string type',
      () => judgeWith({ leaf: { issuerName: distinguishedName([oids.commonName, ' ISSUING  ', 0x13]) } }),
    ],
    [
      'certificate policies marked critical',
      () =>
        judgeWith({
          leaf: {
            extensions: {
              policies: extension(oids.certificatePolicies, {
                critical: true,
                value: sequence(sequence(Buffer.from('0604551d2000', 'hex'))),
              }),
            },
          },
        }),
    ],
    [
      'an unknown extension that is not critical',
      () => judgeWith({ leaf: { extensions: { odd: extension('1.2.3.4', { value: Buffer.of(1) }) } } }),
    ],
    [
      'the first second of validity',
      () => judgeInAWord({ leaf: writeLeaf({ issuer: root }), bundle: [root], now: testNotBefore }),
    ],
    [
      'a self-issued authority below one of path length 0',
      () => {
        const anchor = writeAuthority({
          extensions: { basicConstraints: basicConstraints({ pathLength: 0 }) },
        });
        const rollover = writeAuthority({ issuer: anchor });
        const leaf = writeLeaf({ issuer: rollover });
        return judgeInAWord({ leaf, intermediates: [rollover], bundle: [anchor] });
      },
    ],
    ['five authorities between', () => judgeDepth(5)],
    [
      'a leaf that the bundle holds beside its issuers',
      () => {
        const leaf = writeLeaf({ issuer: issuing });
        return judgeInAWord({ leaf, bundle: [leaf, issuing, root] });
      },
    ],
  ])('%s', (_name, judge) => {
    expect(judge()).toBe('accept');
  });
});

function judgeDepth(authorities: number): string {
  const intermediates: Written[] = [];
  for (let level = 0; level < authorities; level += 1)
    intermediates.push(writeAuthority({ subject: `Level ${level}`, issuer: intermediates.at(-1) ?? root }));
  const leaf = writeLeaf({ issuer: intermediates.at(-1) ?? root });
  return judgeInAWord({ leaf, intermediates, bundle: [root] });
}

describe('the leaf is refused', () => {
  it.each<[string, CertificateWish, string]>([
    ['before it is valid', { notBefore: new Date(testNow.getTime() + 1000) }, 'NOT_YET_VALID'],
    ['once it has expired', { notAfter: new Date(testNow.getTime() - 1000) }, 'EXPIRED'],
    ['at the very moment of its end', { notAfter: testNow }, 'EXPIRED'],
    [
      'when it is an authority',
      { extensions: { basicConstraints: basicConstraints({}), keyUsage: keyUsage(0, 5) } },
      'LEAF_IS_CA',
    ],
    ['when its keyUsage lacks digitalSignature', { extensions: { keyUsage: keyUsage(2) } }, 'LEAF_KEY_USAGE'],
    ['when it may sign certificates', { extensions: { keyUsage: keyUsage(0, 5) } }, 'LEAF_KEY_USAGE'],
    [
      'with the server purpose alone',
      { extensions: { extendedKeyUsage: extendedKeyUsage(oids.serverAuth) } },
      'PURPOSE_NOT_ALLOWED',
    ],
    [
      'with anyExtendedKeyUsage alone',
      { extensions: { extendedKeyUsage: extendedKeyUsage(oids.anyExtendedKeyUsage) } },
      'PURPOSE_NOT_ALLOWED',
    ],
    ['when its signature is of another key', { genuine: false }, 'SIGNATURE_INVALID'],
    [
      'when nobody of that name is known',
      { issuerName: distinguishedName([oids.commonName, 'Stranger']) },
      'ISSUER_NOT_FOUND',
    ],
    [
      'when it names another key of its issuer',
      {
        extensions: {
          authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, {
            value: Buffer.from('3006800401020304', 'hex'),
          }),
        },
      },
      'ISSUER_NOT_FOUND',
    ],
    [
      'without an authority key identifier',
      { extensions: { authorityKeyIdentifier: null } },
      'KEY_IDENTIFIER_MISSING',
    ],
    [
      'with an authority key identifier that names no key',
      {
        extensions: { authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, { value: sequence() }) },
      },
      'KEY_IDENTIFIER_MISSING',
    ],
    ['without a subject and with names that are not critical', { subject: sequence() }, 'NAME_EMPTY'],
    [
      'with a DNS name that no host could have',
      {
        extensions: {
          subjectAltName: extension(oids.subjectAltName, { value: Buffer.from('3006820461206220', 'hex') }),
        },
      },
      'NAME_MALFORMED',
    ],
  ])('%s', (_name, leaf, reason) => {
    expect(judgeWith({ leaf })).toBe(reason);
  });

  it("when it has its issuer's name and no authority key identifier", () => {
    const wish = { subject: root.subject, extensions: { authorityKeyIdentifier: null } };
    expect(judgeInAWord({ leaf: writeLeaf({ ...wish, issuer: root }), bundle: [root] })).toBe(
      'KEY_IDENTIFIER_MISSING',
    );
  });

  it('when it is itself a root of the bundle', () => {
    expect(judgeInAWord({ leaf: root, bundle: [root] })).toBe('LEAF_IS_ANCHOR');
  });

  it('when it is self-signed and copies the name of the root', () => {
    const leaf = writeCertificate({ subject: 'Test Root', extensions: {} });
    expect(judgeInAWord({ leaf, bundle: [root] })).toBe('ISSUER_NOT_FOUND');
  });
});

const withExtensions = (extensions: ExtensionWishes): CertificateWish => ({ extensions });

describe('an authority is refused', () => {
  const notCritical = basicConstraints({ critical: false });
  const falseCa = extension(oids.basicConstraints, { critical: true, value: sequence() });

  it.each<[string, CertificateWish, string]>([
    ['before it is valid', { notBefore: new Date(testNow.getTime() + 1000) }, 'NOT_YET_VALID'],
    ['once it has expired', { notAfter: testNow }, 'EXPIRED'],
    ['without basicConstraints', withExtensions({ basicConstraints: null }), 'ISSUER_NOT_CA'],
    ['when basicConstraints says it is none', withExtensions({ basicConstraints: falseCa }), 'ISSUER_NOT_CA'],
    [
      'when basicConstraints is not critical',
      withExtensions({ basicConstraints: notCritical }),
      'ISSUER_NOT_CA',
    ],
    ['without keyUsage', withExtensions({ keyUsage: null }), 'ISSUER_KEY_USAGE'],
    ['when it may not sign certificates', withExtensions({ keyUsage: keyUsage(0, 6) }), 'ISSUER_KEY_USAGE'],
    [
      'with the server purpose alone',
      withExtensions({ eku: extendedKeyUsage(oids.serverAuth) }),
      'PURPOSE_NOT_ALLOWED',
    ],
    [
      'with anyExtendedKeyUsage alone',
      withExtensions({ eku: extendedKeyUsage(oids.anyExtendedKeyUsage) }),
      'PURPOSE_NOT_ALLOWED',
    ],
  ])('%s: in the middle', (_name, authority, reason) => {
    expect(judgeWith({ authority })).toBe(reason);
  });

  it.each<[string, CertificateWish, string]>([
    ['expired', { notAfter: testNow }, 'EXPIRED'],
    ['not valid yet', { notBefore: new Date(testNow.getTime() + 1000) }, 'NOT_YET_VALID'],
    ['no authority', withExtensions({ basicConstraints: falseCa }), 'ISSUER_NOT_CA'],
    ['not allowed to sign certificates', withExtensions({ keyUsage: keyUsage(6) }), 'ISSUER_KEY_USAGE'],
    ['for servers only', withExtensions({ eku: extendedKeyUsage(oids.serverAuth) }), 'PURPOSE_NOT_ALLOWED'],
    [
      'too short of path length',
      withExtensions({ basicConstraints: basicConstraints({ pathLength: 0 }) }),
      'PATH_LENGTH_EXCEEDED',
    ],
    [
      'without a subject key identifier',
      withExtensions({ subjectKeyIdentifier: null }),
      'KEY_IDENTIFIER_MISSING',
    ],
  ])('the anchor: %s', (_name, anchor, reason) => {
    expect(judgeWith({ root: anchor })).toBe(reason);
  });

  it('when its signature is of another key', () => {
    expect(judgeWith({ authority: { genuine: false } })).toBe('SIGNATURE_INVALID');
  });

  it('when one below it would exceed its path length', () => {
    const top = writeAuthority({
      subject: 'Top',
      issuer: root,
      extensions: { basicConstraints: basicConstraints({ pathLength: 0 }) },
    });
    const below = writeAuthority({ subject: 'Below', issuer: top });
    const leaf = writeLeaf({ issuer: below });
    expect(judgeInAWord({ leaf, intermediates: [top, below], bundle: [root] })).toBe('PATH_LENGTH_EXCEEDED');
  });

  it('when six stand between', () => {
    expect(judgeDepth(6)).toBe('PATH_TOO_DEEP');
  });
});

it('a moment that is none is a mistake of ours, not a verdict', () => {
  const chain = { leaf: writeLeaf({ issuer: root }), bundle: [root], now: new Date(Number.NaN) };
  expect(() => judgeChain(chain)).toThrow(RangeError);
});

it('every reason has one meaning, and stands once', () => {
  expect(new Set(chainRefusals).size).toBe(chainRefusals.length);
});
