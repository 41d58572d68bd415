// Revocation lists: with one in use every authority needs a current one, and every doubt shuts the door.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ecKeys,
  keyId,
  signatureAlgorithm,
  signed,
  testNow,
  writeAuthority,
  writeLeaf,
  writeRevocationList,
  type RevocationListWish,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeChain, judgeInAWord } from '../support/chain-judge.ts';
import { parseDer, writeDer } from '../support/der-tree.ts';
import { explicit, extension, implicit, integer, namedBits, oids, sequence } from '../support/der-writer.ts';

let root: Written;
let issuing: Written;
let leaf: Written;
let stranger: Written;
beforeAll(() => {
  root = writeAuthority();
  issuing = writeAuthority({ subject: 'Issuing', issuer: root });
  leaf = writeLeaf({ issuer: issuing });
  stranger = writeLeaf({ issuer: issuing });
});

const judgeWith = (...crls: Uint8Array[]) =>
  judgeInAWord({ leaf, intermediates: [issuing], bundle: [root], crls });
const later = (ms: number) => new Date(testNow.getTime() + ms);
const hourMs = 3_600_000;
const rootList = (wish: Partial<RevocationListWish> = {}) => writeRevocationList({ issuer: root, ...wish });
const named = (issuer: Buffer, serial: Buffer) => [explicit(1, explicit(4, issuer)), implicit(2, serial)];
const list = (wish: Partial<RevocationListWish> = {}) => writeRevocationList({ issuer: issuing, ...wish });

describe('gets in', () => {
  it('who is on no list, and the verdict tells until when the lists count', () => {
    const crls = [rootList({ nextUpdate: later(hourMs) }), list({ revoked: [stranger] })];
    const verdict = judgeChain({ leaf, intermediates: [issuing], bundle: [root], crls });
    expect(verdict).toMatchObject({ verdict: 'accept', chain: { crlsCurrentUntil: later(hourMs) } });
  });

  it('with an outdated list beside a current one', () => {
    expect(judgeWith(rootList(), list({ nextUpdate: testNow }), list())).toBe('accept');
  });

  it("with a forged list beside the authority's own", () => {
    expect(judgeWith(rootList(), list({ signer: ecKeys(), revoked: [leaf] }), list())).toBe('accept');
  });

  it('whose serial number another authority has revoked', () => {
    expect(judgeWith(rootList({ revoked: [leaf] }), list())).toBe('accept');
  });

  it('with a list that names the certificate of its signer, too, by issuer and number', () => {
    const namedCertificate = named(root.subject, issuing.serial);
    expect(judgeWith(rootList(), list({ namedCertificate }))).toBe('accept');
  });

  it('with an extension of the list that is not critical', () => {
    const odd = extension('1.2.3.4', { value: integer(1) });
    expect(judgeWith(rootList(), list({ extensions: [odd] }))).toBe('accept');
  });
});

const critical = (oid: string) => extension(oid, { critical: true, value: sequence() });
const plain = (oid: string) => extension(oid, { value: sequence() });

/** Outside it says SHA-384. */
function mismatched(): Buffer {
  const [toBeSigned] = parseDer(list())?.[0]?.children ?? [];
  const bytes = toBeSigned === undefined ? Buffer.alloc(0) : writeDer(toBeSigned);
  const algorithm = signatureAlgorithm(issuing.keys, 'sha384');
  return signed(bytes, { algorithm, keys: issuing.keys, digest: 'sha384' });
}

describe('is refused', () => {
  it.each<[string, () => Uint8Array[], string]>([
    ['who is revoked', () => [rootList(), list({ revoked: [stranger, leaf] })], 'REVOKED'],
    ['whose authority is revoked', () => [rootList({ revoked: [issuing] }), list()], 'REVOKED'],
    ['whose anchor has revoked itself', () => [rootList({ revoked: [root] }), list()], 'REVOKED'],
    ['who is on one list of two', () => [rootList(), list(), list({ revoked: [leaf] })], 'REVOKED'],
    [
      'who is on hold',
      () => [
        rootList(),
        list({
          revoked: [leaf],
          entryExtensions: [extension('2.5.29.21', { value: Buffer.of(0x0a, 1, 6) })],
        }),
      ],
      'REVOKED',
    ],
    ['without a list of its issuer', () => [rootList()], 'CRL_MISSING'],
    ['without a list of the root', () => [list()], 'CRL_MISSING'],
    ['without any list where lists are in use', () => [], 'CRL_MISSING'],
    ['when the list has ended', () => [rootList(), list({ nextUpdate: testNow })], 'CRL_EXPIRED'],
    [
      'when the list has not begun',
      () => [rootList(), list({ thisUpdate: later(1000) })],
      'CRL_NOT_YET_VALID',
    ],
    ['when the list has no end', () => [rootList(), list({ nextUpdate: null })], 'CRL_MALFORMED'],
    [
      'when another key signed the list',
      () => [rootList(), list({ signer: ecKeys() })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when another key signed the list under its name',
      () => [rootList(), list({ signer: ecKeys(), keyId: keyId(issuing.keys) })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when the list names another key',
      () => [rootList(), list({ keyId: Buffer.of(1, 2) })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when the list names another number of its signer',
      () => [rootList(), list({ namedCertificate: named(root.subject, leaf.serial) })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when the list names another issuer of its signer',
      () => [rootList(), list({ namedCertificate: named(leaf.subject, issuing.serial) })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when the list names its signer by number alone',
      () => [rootList(), list({ namedCertificate: [implicit(2, issuing.serial)] })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when the list names its signer by issuer alone',
      () => [rootList(), list({ namedCertificate: [explicit(1, explicit(4, root.subject))] })],
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'when an extension of the list stands twice',
      () => [rootList(), list({ extensions: [plain('1.2.3.4'), plain('1.2.3.4')] })],
      'CRL_MALFORMED',
    ],
    ['when the list is of version 1', () => [rootList(), list({ version: integer(0) })], 'CRL_MALFORMED'],
    [
      'with a delta list',
      () => [rootList(), list({ extensions: [critical(oids.deltaIndicator)] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      'with a delta list that is not marked critical',
      () => [rootList(), list({ extensions: [plain(oids.deltaIndicator)] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      'with a list limited to a distribution point',
      () => [rootList(), list({ extensions: [critical(oids.issuingDistributionPoint)] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      'with such a limit not marked critical',
      () => [rootList(), list({ extensions: [plain(oids.issuingDistributionPoint)] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      'with an unknown critical extension of the list',
      () => [rootList(), list({ extensions: [critical('1.2.3.4')] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      'with an unknown critical extension of an entry',
      () => [rootList(), list({ revoked: [stranger], entryExtensions: [critical('1.2.3.4')] })],
      'CRL_NOT_SUPPORTED',
    ],
    [
      "with an entry for another authority's certificate",
      () => [rootList(), list({ revoked: [stranger], entryExtensions: [plain(oids.certificateIssuer)] })],
      'CRL_NOT_SUPPORTED',
    ],
    ['with something that is no list', () => [rootList(), list(), Buffer.of(0x30, 0)], 'CRL_MALFORMED'],
    [
      'with a byte behind the list',
      () => [rootList(), Buffer.concat([list(), Buffer.of(0)])],
      'CRL_MALFORMED',
    ],
    [
      'with another algorithm inside the list than outside',
      () => [rootList(), mismatched()],
      'CRL_MALFORMED',
    ],
  ])('%s', (_name, crls, reason) => {
    expect(judgeWith(...crls())).toBe(reason);
  });

  it('when the authority may not sign lists', () => {
    const keyUsage = extension(oids.keyUsage, { critical: true, value: namedBits(5) });
    const silent = writeAuthority({ subject: 'Silent', issuer: root, extensions: { keyUsage } });
    const below = writeLeaf({ issuer: silent });
    const crls = [rootList(), writeRevocationList({ issuer: silent })];
    const chain = { leaf: below, intermediates: [silent], bundle: [root], crls };
    expect(judgeInAWord(chain)).toBe('CRL_SIGNATURE_INVALID');
  });
});

function judgeSecond(signer: Written, rootRevokes: Written[] = []): string {
  const crls = [rootList({ revoked: rootRevokes }), list({ signer: signer.keys })];
  return judgeInAWord({ leaf, intermediates: [issuing, signer], bundle: [root], crls });
}

describe('a second key of an authority, for its lists', () => {
  const usage = extension(oids.keyUsage, { critical: true, value: namedBits(6) });
  const secondKey = (wish: { issuer: Written; notAfter?: Date; genuine?: boolean }) =>
    writeLeaf({ subject: issuing.subject, ...wish, extensions: { keyUsage: usage, extendedKeyUsage: null } });

  it('counts when the same authority above has certified it', () => {
    expect(judgeSecond(secondKey({ issuer: root }))).toBe('accept');
  });

  it.each<[string, () => string, string]>([
    ['expired', () => judgeSecond(secondKey({ issuer: root, notAfter: testNow })), 'CRL_SIGNATURE_INVALID'],
    ['forged', () => judgeSecond(secondKey({ issuer: root, genuine: false })), 'CRL_SIGNATURE_INVALID'],
    [
      'certified by somebody else of that name',
      () => judgeSecond(secondKey({ issuer: writeAuthority() })),
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'revoked',
      () => {
        const signer = secondKey({ issuer: root });
        return judgeSecond(signer, [signer]);
      },
      'REVOKED',
    ],
    [
      'named by a list that somebody else has signed',
      () => {
        const signer = secondKey({ issuer: root });
        const crls = [rootList(), list({ signer: ecKeys(), keyId: keyId(signer.keys) })];
        return judgeInAWord({ leaf, intermediates: [issuing, signer], bundle: [root], crls });
      },
      'CRL_SIGNATURE_INVALID',
    ],
    [
      'for other things',
      () => judgeSecond(writeLeaf({ subject: issuing.subject, issuer: root })),
      'CRL_SIGNATURE_INVALID',
    ],
  ])('does not when it is %s', (_name, judge, reason) => {
    expect(judge()).toBe(reason);
  });
});
