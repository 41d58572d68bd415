// Bundles made to keep the verifier busy are answered quickly, with few signatures checked, and never with yes; and no
// bytes at all make it throw or let somebody in.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ecKeys,
  nameConstraints,
  subjectAltName,
  testNow,
  writeAuthority,
  writeLeaf,
  type TestKeys,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeChain } from '../support/chain-judge.ts';
import { extension, generalName } from '../support/der-writer.ts';

let root: Written;
let keys: TestKeys;
beforeAll(() => {
  root = writeAuthority();
  keys = ecKeys();
});

const maxSignatureChecks = 64;

function judgeQuickly(chain: Parameters<typeof judgeChain>[0]): { reason: string; signatureChecks: number } {
  const verdict = judgeChain(chain);
  expect(verdict.signatureChecks).toBeLessThanOrEqual(maxSignatureChecks);
  return {
    reason: verdict.verdict === 'accept' ? 'accept' : verdict.reason,
    signatureChecks: verdict.signatureChecks,
  };
}

const names = (count: number) => Array.from({ length: count }, (_one, at) => `dns:n${at}.leantech.me`);

describe('a bomb', () => {
  it('of 1,000 presented intermediates is refused unread', () => {
    const one = writeAuthority({ subject: 'Issuing', issuer: root });
    const leaf = writeLeaf({ issuer: one });
    const intermediates = Array.from({ length: 1000 }, () => one);
    expect(judgeQuickly({ leaf, intermediates, bundle: [root] })).toEqual({
      reason: 'TOO_MANY_INTERMEDIATES',
      signatureChecks: 0,
    });
  });

  it('of eleven presented intermediates is refused, and ten are not', () => {
    const one = writeAuthority({ subject: 'Issuing', issuer: root });
    const leaf = writeLeaf({ issuer: one });
    const many = (count: number) => ({
      leaf,
      bundle: [root],
      intermediates: Array.from({ length: count }, () => one),
    });
    expect(judgeQuickly(many(11)).reason).toBe('TOO_MANY_INTERMEDIATES');
    expect(judgeQuickly(many(10)).reason).toBe('accept');
  });

  it('of more than 100,000 presented bytes is refused unread, however few certificates they are', () => {
    const fat = { odd: extension('1.2.3.4', { value: Buffer.alloc(19_000) }) };
    const one = writeAuthority({ subject: 'Issuing', issuer: root, extensions: fat });
    const leaf = writeLeaf({ issuer: one });
    const judge = (count: number) =>
      judgeQuickly({ leaf, bundle: [root], intermediates: Array.from({ length: count }, () => one) }).reason;
    expect(judge(5)).toBe('accept');
    expect(judge(6)).toBe('CERTIFICATE_TOO_LARGE');
  });

  it('of constraints compared anew for every path ends at the 4,096th comparison, over all paths', () => {
    const constraint = nameConstraints({ permitted: names(30).map(generalName) });
    const twin = () => writeAuthority({ subject: 'Issuing', keys, issuer: root, extensions: { constraint } });
    const issuer = twin();
    const leaf = writeLeaf({
      issuer,
      extensions: { subjectAltName: subjectAltName(...names(60), 'dns:evil.example') },
    });
    const judge = (count: number) =>
      judgeQuickly({ leaf, bundle: [root], intermediates: Array.from({ length: count }, twin) }).reason;
    expect(judge(2)).toBe('NAME_NOT_PERMITTED');
    expect(judge(3)).toBe('NAME_CHECKS_EXCEEDED');
  });

  it('of 1,000 authorities in the bundle with one name ends at the 64th signature', () => {
    const issuer = writeAuthority({ subject: 'Issuing', issuer: root });
    const impostors = Array.from({ length: 1000 }, () => withKeyId(issuer, root));
    const verdict = judgeQuickly({ leaf: writeLeaf({ issuer }), bundle: [root, ...impostors] });
    expect(verdict).toEqual({ reason: 'BUDGET_SPENT', signatureChecks: maxSignatureChecks });
  });

  it('of 1,100 expired authorities of one name ends at the 1,024th, without any signature', () => {
    const expired = writeAuthority({ subject: 'Issuing', issuer: root, notAfter: testNow });
    const bundle = [root, ...Array.from({ length: 1100 }, () => expired)];
    const verdict = judgeQuickly({ leaf: writeLeaf({ issuer: expired }), bundle });
    expect(verdict).toEqual({ reason: 'BUDGET_SPENT', signatureChecks: 0 });
  });

  it('of two authorities that issued each other ends', () => {
    const one = writeAuthority({ subject: 'One', keys });
    const two = writeAuthority({ subject: 'Two', issuer: one });
    const oneByTwo = writeAuthority({ subject: 'One', keys, issuer: two });
    const leaf = writeLeaf({ issuer: two });
    const verdict = judgeQuickly({ leaf, intermediates: [two, oneByTwo], bundle: [root] });
    expect(verdict).toEqual({ reason: 'ISSUER_NOT_FOUND', signatureChecks: 0 });
  });

  it('of authorities that all carry one name and one key ends', () => {
    const first = writeAuthority({ subject: 'Same', keys });
    const intermediates = Array.from({ length: 10 }, () =>
      writeAuthority({ subject: 'Same', keys, issuer: first }),
    );
    const leaf = writeLeaf({ issuer: first });
    expect(judgeQuickly({ leaf, intermediates, bundle: [root] }).reason).toBe('ISSUER_NOT_FOUND');
  });

  it('of authorities that all carry one name and differ in their keys ends', () => {
    const all = Array.from({ length: 4 }, () => ecKeys());
    const parents = all.map((own) => writeAuthority({ subject: 'Same', keys: own }));
    const crossed = parents.flatMap((issuer) =>
      all
        .filter((own) => own !== issuer.keys)
        .map((own) => writeAuthority({ subject: 'Same', keys: own, issuer })),
    );
    const [first = root] = parents;
    const leaf = writeLeaf({ issuer: first });
    const inBundle = judgeQuickly({ leaf, intermediates: crossed.slice(0, 10), bundle: [root, ...crossed] });
    expect(['ISSUER_NOT_FOUND', 'BUDGET_SPENT', 'PATH_TOO_DEEP']).toContain(inBundle.reason);
  });
});

/** Other keys under the name and the key identifier of `model`. */
function withKeyId(model: Written, issuer: Written): Written {
  const identifier = model.der.indexOf(Buffer.from('0603551d0e', 'hex'));
  const value = model.der.subarray(identifier - 2, identifier + 5 + 2 + 22);
  return writeAuthority({ subject: model.subject, issuer, extensions: { subjectKeyIdentifier: value } });
}

describe('whatever the bytes', () => {
  it('the verifier answers, and a changed certificate never gets in', () => {
    const issuing = writeAuthority({ subject: 'Issuing', issuer: root });
    const leaf = writeLeaf({ issuer: issuing });
    const chain = { leaf, intermediates: [issuing], bundle: [root] };
    expect(judgeChain(chain).verdict).toBe('accept');
    const mutation = fc.record({
      inLeaf: fc.boolean(),
      at: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
      flip: fc.integer({ min: 1, max: 255 }),
      cut: fc.nat(2),
      tail: fc.uint8Array({ maxLength: 2 }),
    });
    fc.assert(
      fc.property(mutation, ({ inLeaf, at, flip, cut, tail }) => {
        const original = inLeaf ? leaf.der : issuing.der;
        const bytes = Buffer.from(original);
        const index = Math.floor(at * bytes.length);
        bytes[index] = (bytes[index] ?? 0) ^ flip;
        const der = Buffer.concat([bytes.subarray(0, bytes.length - cut), tail]);
        // What was cut off may come back as the tail: then nothing has changed.
        fc.pre(!der.equals(original));
        const mutant = { der };
        const verdict = judgeChain(
          inLeaf ? { ...chain, leaf: mutant } : { ...chain, intermediates: [mutant] },
        );
        expect(verdict.verdict).toBe('reject');
      }),
      { numRuns: 1000 },
    );
  });

  it('bytes that are no certificate are refused anywhere', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (one, other) => {
        const verdict = judgeChain({
          leaf: { der: one },
          intermediates: [{ der: other }],
          bundle: [{ der: other }, root],
          crls: [one],
          now: testNow,
        });
        expect(verdict.verdict).toBe('reject');
      }),
    );
  });
});
