// What a stranger's chain costs: signatures are checked with keys that an anchor vouches for, and with no others.
// Counted, never timed.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ecKeys,
  testNow,
  writeAuthority,
  writeLeaf,
  writeRevocationList,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeChain, type PresentedChain } from '../support/chain-judge.ts';
import { extension, implicit, octetString, oids, sequence } from '../support/der-writer.ts';

let root: Written;
let issuing: Written;
beforeAll(() => {
  root = writeAuthority();
  issuing = writeAuthority({ subject: 'Issuing', issuer: root });
});

function costOf(chain: PresentedChain): { word: string; signatureChecks: number } {
  const verdict = judgeChain(chain);
  const word = verdict.verdict === 'accept' ? 'accept' : verdict.reason;
  return { word, signatureChecks: verdict.signatureChecks };
}

const strangersKeyId = Buffer.from('strangers key id');
const oneKeyId = {
  subjectKeyIdentifier: extension(oids.subjectKeyIdentifier, { value: octetString(strangersKeyId) }),
  authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, {
    value: sequence(implicit(0, strangersKeyId)),
  }),
};

/** Ten authorities of one name and one key identifier, each issued by the next; the leaf is the first's. */
function knottedStranger(): { leaf: Written; intermediates: Written[] } {
  let issuer = writeAuthority({ subject: 'Same', keys: ecKeys('P-521'), extensions: oneKeyId });
  const intermediates = [issuer];
  while (intermediates.length < 10) {
    issuer = writeAuthority({ subject: 'Same', keys: ecKeys('P-521'), issuer, extensions: oneKeyId });
    intermediates.unshift(issuer);
  }
  return { leaf: writeLeaf({ issuer, extensions: oneKeyId }), intermediates };
}

describe('a stranger costs no signature', () => {
  it('with ten authorities of one name, each issued by the next, in any order', () => {
    const { leaf, intermediates } = knottedStranger();
    const chain = { leaf, intermediates, bundle: [root, issuing] };
    expect(costOf(chain)).toEqual({ word: 'PATH_TOO_DEEP', signatureChecks: 0 });
    const turned = { ...chain, intermediates: intermediates.toReversed() };
    expect(costOf(turned)).toEqual({ word: 'PATH_TOO_DEEP', signatureChecks: 0 });
  });

  it('with a leaf that names nobody we know, whatever genuine authorities stand beside it', () => {
    const rogue = writeAuthority({ subject: 'Rogue' });
    const chain = { leaf: writeLeaf({ issuer: rogue }), intermediates: [rogue, issuing], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'ISSUER_NOT_FOUND', signatureChecks: 0 });
  });

  it('with an authority that has expired', () => {
    const expired = writeAuthority({ subject: 'Rogue', issuer: root, notAfter: testNow });
    const chain = { leaf: writeLeaf({ issuer: expired }), intermediates: [expired], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'EXPIRED', signatureChecks: 0 });
  });

  it('with a genuine certificate that is no authority above its own', () => {
    const customer = writeLeaf({ issuer: root, subject: 'Customer' });
    const chain = { leaf: writeLeaf({ issuer: customer }), intermediates: [customer], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'ISSUER_NOT_CA', signatureChecks: 0 });
  });
});

describe('a stranger who names our root as the issuer costs a check with its key for each authority', () => {
  it('and none with his own, for the leaf neither', () => {
    const rogue = () => writeAuthority({ subject: 'Rogue', issuer: root, genuine: false });
    const intermediates = Array.from({ length: 10 }, rogue);
    const [first = root] = intermediates;
    const chain = { leaf: writeLeaf({ issuer: first }), intermediates, bundle: [root, issuing] };
    expect(costOf(chain)).toEqual({ word: 'SIGNATURE_INVALID', signatureChecks: 10 });
  });

  it('and none for those below them', () => {
    const upper = writeAuthority({ subject: 'Upper', issuer: root, genuine: false });
    const lower = writeAuthority({ subject: 'Lower', issuer: upper });
    const chain = { leaf: writeLeaf({ issuer: lower }), intermediates: [lower, upper], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'SIGNATURE_INVALID', signatureChecks: 1 });
  });

  it('and none with his own, when he calls himself by the name of an intermediate of the bundle', () => {
    const rogue = writeAuthority({ subject: 'Issuing', issuer: writeAuthority() });
    const chain = { leaf: writeLeaf({ issuer: rogue }), intermediates: [rogue], bundle: [root, issuing] };
    // The bundle's own, by the root.
    expect(costOf(chain)).toEqual({ word: 'ISSUER_NOT_FOUND', signatureChecks: 1 });
  });

  it('and none where the key identifier is not its own', () => {
    const rogue = writeAuthority({ subject: 'Rogue', issuer: root, extensions: oneKeyId });
    const chain = { leaf: writeLeaf({ issuer: rogue }), intermediates: [rogue], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'ISSUER_NOT_FOUND', signatureChecks: 0 });
  });
});

describe('a genuine chain costs one signature for each certificate below the root', () => {
  it('though the root is presented too', () => {
    const leaf = writeLeaf({ issuer: issuing });
    const chain = { leaf, intermediates: [issuing, root], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'accept', signatureChecks: 2 });
  });

  it('though genuine authorities of other names stand in the bundle', () => {
    const others = ['A', 'B', 'C'].map((subject) => writeAuthority({ subject, issuer: root }));
    const chain = { leaf: writeLeaf({ issuer: issuing }), bundle: [root, issuing, ...others] };
    expect(costOf(chain)).toEqual({ word: 'accept', signatureChecks: 2 });
  });

  it('and a forged leaf is found out with the keys of the authorities above it', () => {
    const leaf = writeLeaf({ issuer: issuing, genuine: false });
    const chain = { leaf, intermediates: [issuing], bundle: [root] };
    expect(costOf(chain)).toEqual({ word: 'SIGNATURE_INVALID', signatureChecks: 2 });
  });
});

describe('where lists are in use', () => {
  it('no list is checked with the second key of an authority before that key is vouched for', () => {
    const second = writeAuthority({ subject: 'Issuing', issuer: root, genuine: false });
    const crls = [
      writeRevocationList({ issuer: root }),
      writeRevocationList({ issuer: issuing, signer: second.keys }),
    ];
    const chain = { leaf: writeLeaf({ issuer: issuing }), bundle: [root], crls };
    const cost = costOf({ ...chain, intermediates: [issuing, second] });
    // Two of the path, the pretended second key by the root, and no list: that of `issuing` names the second key.
    expect(cost).toEqual({ word: 'CRL_SIGNATURE_INVALID', signatureChecks: 3 });
  });
});
