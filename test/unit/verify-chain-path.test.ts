// Where a chain may end, how the way there is found, and the certificates that are not made for clients.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';
import {
  basicConstraints,
  ecKeys,
  extendedKeyUsage,
  publicKeyInfo,
  testNow,
  writeAuthority,
  writeCertificate,
  writeLeaf,
  type CertificateWish,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeInAWord } from '../support/chain-judge.ts';
import { distinguishedName, extension, namedBits, oids, sequence } from '../support/der-writer.ts';

let root: Written;
let issuing: Written;
beforeAll(() => {
  root = writeAuthority();
  issuing = writeAuthority({ subject: 'Issuing', issuer: root });
});

describe('the bundle', () => {
  it('with nothing in it lets nobody in', () => {
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: root }), bundle: [] })).toBe('BUNDLE_EMPTY');
  });

  it('with an intermediate alone lets nobody in', () => {
    const leaf = writeLeaf({ issuer: issuing });
    expect(judgeInAWord({ leaf, bundle: [issuing] })).toBe('BUNDLE_EMPTY');
  });

  it('with another root of the same name lets nobody in', () => {
    const leaf = writeLeaf({ issuer: issuing });
    const rogue = writeAuthority();
    expect(judgeInAWord({ leaf, intermediates: [issuing], bundle: [rogue] })).toBe('ISSUER_NOT_FOUND');
  });

  it('does not take a root from the peer', () => {
    const rogueRoot = writeAuthority({ subject: 'Rogue' });
    const leaf = writeLeaf({ issuer: rogueRoot });
    expect(judgeInAWord({ leaf, intermediates: [rogueRoot], bundle: [root] })).toBe('ISSUER_NOT_FOUND');
  });

  it('takes no certificate for a root whose key identifiers name another', () => {
    const keyId = Buffer.from('3006800401020304', 'hex');
    const extensions = { authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, { value: keyId }) };
    const odd = writeAuthority({ extensions });
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: odd }), bundle: [odd] })).toBe('BUNDLE_EMPTY');
  });

  it('takes no certificate for a root that only names itself as issuer', () => {
    const forged = writeAuthority({ genuine: false });
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: forged }), bundle: [forged] })).toBe('BUNDLE_EMPTY');
  });

  it.each<[string, CertificateWish, string]>([
    [
      'that is no authority',
      { extensions: { basicConstraints: extension(oids.basicConstraints, { value: sequence() }) } },
      'ISSUER_NOT_CA',
    ],
    [
      'whose basicConstraints are not critical',
      { extensions: { basicConstraints: basicConstraints({ critical: false }) } },
      'ISSUER_NOT_CA',
    ],
    ['without keyUsage', { extensions: { keyUsage: null } }, 'ISSUER_KEY_USAGE'],
    [
      'that may not sign certificates',
      { extensions: { keyUsage: extension(oids.keyUsage, { critical: true, value: namedBits(6) }) } },
      'ISSUER_KEY_USAGE',
    ],
    [
      'without a subject key identifier',
      { extensions: { subjectKeyIdentifier: null } },
      'KEY_IDENTIFIER_MISSING',
    ],
  ])('knows at once that a root is unusable %s, and why', (_name, wish, reason) => {
    const { roots, unusable } = readTrustBundle([root.der, writeAuthority(wish).der]);
    expect(roots).toHaveLength(1);
    expect(unusable).toEqual([{ index: 1, reason }]);
  });

  it('takes for a root only what names itself as its issuer', () => {
    const stranger = distinguishedName([oids.commonName, 'Stranger']);
    const { roots, unusable } = readTrustBundle([writeLeaf({ issuer: root }).der]);
    expect({ roots, unusable }).toEqual({ roots: [], unusable: [] });
    const odd = readTrustBundle([writeCertificate({ issuerName: stranger }).der]);
    expect({ roots: odd.roots, unusable: odd.unusable }).toEqual({ roots: [], unusable: [] });
  });

  it('that cannot be read says why', () => {
    const bundle = [{ der: Buffer.of(0x30, 0) }];
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: root }), bundle })).toBe('CERTIFICATE_MALFORMED');
  });
});

describe('the way is found', () => {
  it('round an expired twin of an authority', () => {
    const keys = ecKeys();
    const expired = writeAuthority({ subject: 'Issuing', issuer: root, keys, notAfter: testNow });
    const current = writeAuthority({ subject: 'Issuing', issuer: root, keys });
    const leaf = writeLeaf({ issuer: current });
    expect(judgeInAWord({ leaf, intermediates: [expired, current], bundle: [root] })).toBe('accept');
  });

  it('past an unreadable certificate that the peer also presents', () => {
    const intermediates = [{ der: Buffer.of(1) }, issuing];
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: issuing }), intermediates, bundle: [root] })).toBe(
      'accept',
    );
  });

  it('and where there is none, an unreadable certificate is the reason', () => {
    const intermediates = [{ der: Buffer.of(1) }];
    const reason = judgeInAWord({ leaf: writeLeaf({ issuer: issuing }), intermediates, bundle: [root] });
    expect(reason).toBe('CERTIFICATE_MALFORMED');
  });
});

describe('a certificate without the client purpose', () => {
  const server = { extensions: { extendedKeyUsage: extendedKeyUsage(oids.serverAuth) } };

  function judgeServer(options: {
    keyPins: (own: string) => string[];
    leaf?: CertificateWish;
    eku?: Buffer | null;
  }): string {
    const authority = writeAuthority({
      subject: 'Issuing',
      issuer: root,
      extensions: { eku: options.eku ?? null },
    });
    const leaf = writeLeaf({ ...(options.leaf ?? server), issuer: authority });
    const chain = { leaf, intermediates: [authority], bundle: [root] };
    const own = createHash('sha256').update(publicKeyInfo(leaf.keys)).digest('base64');
    return judgeInAWord({ ...chain, policy: { purpose: 'serverAuth', keyPins: options.keyPins(own) } });
  }

  it('gets in where that is configured and its key is pinned', () => {
    expect(judgeServer({ keyPins: (own) => ['another', own] })).toBe('accept');
  });

  it('is refused without a pin of its key', () => {
    expect(judgeServer({ keyPins: () => [] })).toBe('KEY_PIN_REQUIRED');
    expect(judgeServer({ keyPins: () => ['another'] })).toBe('KEY_PIN_REQUIRED');
  });

  it('is refused with a purpose that is neither', () => {
    const leaf = { extensions: { extendedKeyUsage: extendedKeyUsage(oids.anyExtendedKeyUsage) } };
    expect(judgeServer({ keyPins: (own) => [own], leaf })).toBe('PURPOSE_NOT_ALLOWED');
  });

  it('needs the pin even when it has the client purpose after all', () => {
    expect(judgeServer({ keyPins: () => [], leaf: {} })).toBe('KEY_PIN_REQUIRED');
    expect(judgeServer({ keyPins: (own) => [own], leaf: {} })).toBe('accept');
  });

  it('gets in below an authority for servers only', () => {
    expect(judgeServer({ keyPins: (own) => [own], eku: extendedKeyUsage(oids.serverAuth) })).toBe('accept');
  });
});
