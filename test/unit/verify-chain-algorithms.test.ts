// Keys and signatures: what is on the list gets in, everything else does not.
import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ecKeys,
  rsaKeys,
  writeAuthority,
  writeLeaf,
  type CertificateWish,
  type TestKeys,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeInAWord } from '../support/chain-judge.ts';
import {
  bitString,
  explicit,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  sequence,
} from '../support/der-writer.ts';

const pssOid = '1.2.840.113549.1.1.10';

let root: Written;
let rsa: TestKeys;
beforeAll(() => {
  root = writeAuthority();
  rsa = rsaKeys();
});

const judgeLeaf = (wish: CertificateWish) =>
  judgeInAWord({ leaf: writeLeaf({ ...wish, issuer: root }), bundle: [root] });

const explicitCurve = () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' });
  return publicKey.export({ type: 'spki', format: 'der' });
};

describe('keys and signatures', () => {
  it.each<[string, () => TestKeys]>([
    ['RSA of 2048 bits', () => rsa],
    ['P-256', () => ecKeys()],
    ['P-384', () => ecKeys('P-384')],
    ['P-521', () => ecKeys('P-521')],
    ['Ed25519', () => generateKeyPairSync('ed25519')],
    ['Ed448', () => generateKeyPairSync('ed448')],
  ])('%s gets in, as the key of a leaf and of its issuer', (_name, keys) => {
    const anchor = writeAuthority({ keys: keys() });
    const leaf = writeLeaf({ issuer: anchor, keys: keys() });
    expect(judgeInAWord({ leaf, bundle: [anchor] })).toBe('accept');
  });

  it.each<[string, () => CertificateWish]>([
    ['RSA of 1024 bits', () => ({ keys: rsaKeys(1024) })],
    ['RSA with the exponent 1', () => ({ publicKeyInfo: withExponent(rsa, 1) })],
    ['secp256k1', () => ({ keys: ecKeys('secp256k1') })],
    ['P-224', () => ({ keys: ecKeys('secp224r1') })],
    ['a curve written out', () => ({ publicKeyInfo: explicitCurve() })],
    [
      'X25519',
      () => ({
        publicKeyInfo: generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' }),
      }),
    ],
    ['RSA far above 8192 bits', () => ({ publicKeyInfo: hugeRsa() })],
    [
      'of more bytes than any has, unread',
      () => ({
        publicKeyInfo: sequence(
          sequence(objectIdentifier('1.2.840.113549.1.1.1'), nothing),
          bitString(Buffer.alloc(1101)),
        ),
      }),
    ],
    [
      'DSA',
      () => ({
        publicKeyInfo: sequence(sequence(objectIdentifier('1.2.840.10040.4.1')), bitString(integer(1))),
      }),
    ],
    ['RSA with parameters', () => ({ publicKeyInfo: withParameters(rsa) })],
  ])('the key %s is refused', (_name, wish) => {
    expect(judgeLeaf(wish())).toBe('KEY_NOT_ALLOWED');
  });

  it('a key that is none is refused', () => {
    const none = sequence(
      sequence(objectIdentifier('1.2.840.10045.2.1'), objectIdentifier('1.2.840.10045.3.1.7')),
      bitString(Buffer.of(4, 1)),
    );
    expect(judgeLeaf({ publicKeyInfo: none })).toBe('CERTIFICATE_UNREADABLE');
  });

  it.each<[string, 'sha384' | 'sha512']>([
    ['SHA-384', 'sha384'],
    ['SHA-512', 'sha512'],
  ])('a signature over %s gets in', (_name, digest) => {
    const anchor = writeAuthority({ keys: rsa });
    expect(judgeInAWord({ leaf: writeLeaf({ issuer: anchor, digest }), bundle: [anchor] })).toBe('accept');
    expect(judgeLeaf({ digest })).toBe('accept');
  });

  it('SHA-1 is refused, for the leaf and for its issuer', () => {
    const anchor = writeAuthority({ keys: rsa });
    const leaf = writeLeaf({ issuer: anchor, digest: 'sha1' });
    expect(judgeInAWord({ leaf, bundle: [anchor] })).toBe('SIGNATURE_ALGORITHM_NOT_ALLOWED');
    const authority = writeAuthority({ subject: 'Issuing', issuer: anchor, digest: 'sha1' });
    const below = writeLeaf({ issuer: authority });
    const verdict = judgeInAWord({ leaf: below, intermediates: [authority], bundle: [anchor] });
    expect(verdict).toBe('SIGNATURE_ALGORITHM_NOT_ALLOWED');
  });

  it("a root's own signature is of no concern, and counts nowhere else", () => {
    const anchor = writeAuthority({ keys: rsa, digest: 'sha1' });
    const leaf = writeLeaf({ issuer: anchor });
    expect(judgeInAWord({ leaf, bundle: [anchor] })).toBe('accept');
    const authority = writeAuthority({ subject: 'Issuing', issuer: anchor, digest: 'sha1' });
    const below = writeLeaf({ issuer: authority });
    expect(judgeInAWord({ leaf: below, bundle: [anchor, authority] })).toBe('ISSUER_NOT_FOUND');
    const presented = judgeInAWord({ leaf, intermediates: [anchor], bundle: [root] });
    expect(presented).toBe('SIGNATURE_ALGORITHM_NOT_ALLOWED');
  });

  it.each<[string, Buffer, string]>([
    ['with SHA-256 and a salt of its length gets in', pssAlgorithm({}), 'accept'],
    ['with no NULL behind the digest gets in', pssAlgorithm({ bare: true }), 'accept'],
    ['with a short salt is refused', pssAlgorithm({ saltLength: 20 }), 'SIGNATURE_ALGORITHM_NOT_ALLOWED'],
    [
      'with another digest for the mask is refused',
      pssAlgorithm({ maskDigest: '2.16.840.1.101.3.4.2.2' }),
      'SIGNATURE_ALGORITHM_NOT_ALLOWED',
    ],
    [
      'with SHA-1 is refused',
      pssAlgorithm({ digest: '1.3.14.3.2.26', maskDigest: '1.3.14.3.2.26' }),
      'SIGNATURE_ALGORITHM_NOT_ALLOWED',
    ],
    [
      'with its defaults, which are SHA-1, is refused',
      sequence(objectIdentifier(pssOid), sequence()),
      'SIGNATURE_ALGORITHM_NOT_ALLOWED',
    ],
  ])('RSASSA-PSS %s', (_name, algorithm, reason) => {
    const anchor = writeAuthority({ keys: rsa });
    const leaf = writeLeaf({ issuer: anchor, innerAlgorithm: algorithm, outerAlgorithm: algorithm });
    expect(judgeInAWord({ leaf: { der: resignPss(leaf.der, rsa) }, bundle: [anchor] })).toBe(reason);
  });
});

function pssAlgorithm(wish: {
  digest?: string;
  maskDigest?: string;
  saltLength?: number;
  bare?: boolean;
}): Buffer {
  const { digest = '2.16.840.1.101.3.4.2.1', maskDigest = digest, saltLength = 32, bare = false } = wish;
  const identifier = (oid: string) => sequence(objectIdentifier(oid), ...(bare ? [] : [nothing]));
  const mask = sequence(objectIdentifier('1.2.840.113549.1.1.8'), identifier(maskDigest));
  const fields = [explicit(0, identifier(digest)), explicit(1, mask), explicit(2, integer(saltLength))];
  return sequence(objectIdentifier(pssOid), sequence(...fields));
}

/** The certificate with a signature of SHA-256 and a salt of 32 bytes, whatever it says. */
function resignPss(certificate: Buffer, keys: TestKeys): Buffer {
  const header = 4;
  const toBeSigned = certificate.subarray(header, header + 4 + certificate.readUInt16BE(header + 2));
  const signatureBytes = 256 + 5;
  const algorithm = certificate.subarray(header + toBeSigned.length, certificate.length - signatureBytes);
  const signature = sign('sha256', toBeSigned, {
    key: keys.privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 32,
  });
  return sequence(toBeSigned, algorithm, bitString(signature));
}

function withExponent(keys: TestKeys, exponent: number): Buffer {
  const { n = '' } = keys.publicKey.export({ format: 'jwk' });
  const modulus = Buffer.concat([Buffer.of(0), Buffer.from(n, 'base64url')]);
  const algorithm = sequence(objectIdentifier('1.2.840.113549.1.1.1'), nothing);
  return sequence(algorithm, bitString(sequence(integer(modulus), integer(exponent))));
}

/** 16,000 bits, which OpenSSL would read without complaint. */
function hugeRsa(): Buffer {
  const modulus = Buffer.concat([Buffer.of(0), Buffer.alloc(2000, 0xff)]);
  const algorithm = sequence(objectIdentifier('1.2.840.113549.1.1.1'), nothing);
  return sequence(algorithm, bitString(sequence(integer(modulus), integer(65_537))));
}

function withParameters(keys: TestKeys): Buffer {
  const bits = bitString(keys.publicKey.export({ type: 'pkcs1', format: 'der' }));
  return sequence(sequence(objectIdentifier('1.2.840.113549.1.1.1'), octetString(Buffer.of(1))), bits);
}
