// Asks the verifier about written certificates, and answers with one word.
import { verifyClientChain, type ChainVerdict } from '../../src/tls/certificate-chain.ts';
import type { ClientPolicy } from '../../src/tls/path-rules.ts';
import { readRevocationLists } from '../../src/tls/revocation-list.ts';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';
import { testNow } from './certificate-writer.ts';

interface HasDer {
  readonly der: Uint8Array;
}

export interface PresentedChain {
  readonly leaf: HasDer;
  readonly intermediates?: readonly HasDer[];
  readonly bundle: readonly HasDer[];
  readonly crls?: readonly Uint8Array[];
  readonly now?: Date;
  readonly policy?: ClientPolicy;
}

export function judgeChain(chain: PresentedChain): ChainVerdict {
  const { leaf, intermediates = [], bundle, crls, now = testNow, policy = { purpose: 'clientAuth' } } = chain;
  return verifyClientChain({
    leafDer: leaf.der,
    intermediatesDer: intermediates.map(({ der }) => der),
    anchors: readTrustBundle(bundle.map(({ der }) => der)),
    crls: crls === undefined ? null : readRevocationLists(crls),
    now,
    policy,
  });
}

/** `accept`, or the reason of the refusal. */
export function judgeInAWord(chain: PresentedChain): string {
  const verdict = judgeChain(chain);
  return verdict.verdict === 'accept' ? 'accept' : verdict.reason;
}
