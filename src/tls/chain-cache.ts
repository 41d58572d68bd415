// Remembers verdicts about presented chains for a few minutes, so that a busy connection costs one verification and not
// one a request. Refusals live apart, so that junk never pushes out Lean's own entry. Never looks at the clock.
import { createHash } from 'node:crypto';
import { verifyClientChain, type ChainQuestion, type ChainVerdict } from './certificate-chain.ts';

export interface ChainCacheOptions {
  /** Accepted chains remembered; Lean has one or two at a time. */
  readonly acceptedLimit?: number;
  readonly refusedLimit?: number;
  /** How a chain is judged; the verifier where not given. */
  readonly judge?: (question: ChainQuestion) => ChainVerdict;
}

export interface ChainCache {
  /** The verdict of `verifyClientChain`, possibly remembered: for at most 5 minutes, never past an expiry. */
  judge(question: ChainQuestion): ChainVerdict;
  /** Verdicts remembered at present. */
  sizes(): { readonly accepted: number; readonly refused: number };
}

const acceptedForMs = 5 * 60_000;
/** Short: a refusal may end by itself when a certificate becomes valid. */
const refusedForMs = 30_000;

export function createChainCache(options: ChainCacheOptions = {}): ChainCache {
  const { acceptedLimit = 32, refusedLimit = 256, judge = verifyClientChain } = options;
  const accepted = createRecentMap(acceptedLimit);
  const refused = createRecentMap(refusedLimit);
  const keyOf = createKeyMemory();
  return {
    judge(question) {
      const key = keyOf(question);
      const nowMs = question.now.getTime();
      const remembered = accepted.get(key, nowMs) ?? refused.get(key, nowMs);
      if (remembered) return remembered;
      const verdict = judge(question);
      const place = verdict.verdict === 'accept' ? accepted : refused;
      place.set(key, { verdict, fromMs: nowMs, untilMs: rememberUntilMs(verdict, nowMs) });
      return verdict;
    },
    sizes: () => ({ accepted: accepted.size(), refused: refused.size() }),
  };
}

function rememberUntilMs(verdict: ChainVerdict, nowMs: number): number {
  if (verdict.verdict === 'reject') return nowMs + refusedForMs;
  const { validUntil, crlsCurrentUntil } = verdict.chain;
  return Math.min(nowMs + acceptedForMs, validUntil.getTime(), crlsCurrentUntil?.getTime() ?? Infinity);
}

/**
 * The same buffers are asked about with every request of a connection, and nobody writes into a certificate that was
 * read: hashed once, they have their key. Any other part that changed asks for a new one.
 */
function createKeyMemory(): (question: ChainQuestion) => string {
  const known = new WeakMap<Uint8Array, { readonly question: ChainQuestion; readonly key: string }>();
  return (question) => {
    const last = known.get(question.leafDer);
    if (last !== undefined && isSameQuestion(last.question, question)) return last.key;
    const key = questionKey(question);
    known.set(question.leafDer, { question, key });
    return key;
  };
}

/** At another time perhaps. */
function isSameQuestion(one: ChainQuestion, other: ChainQuestion): boolean {
  return (
    one.leafDer === other.leafDer &&
    one.intermediatesDer === other.intermediatesDer &&
    one.anchors === other.anchors &&
    one.crls === other.crls &&
    one.policy === other.policy
  );
}

/**
 * Every part is of fixed length or stands behind its length, so that no two questions share a key. The order of the
 * intermediates decides nothing, and would let a refused caller ask anew by shuffling them.
 */
function questionKey({ leafDer, intermediatesDer, anchors, crls, policy }: ChainQuestion): string {
  const hash = createHash('sha256');
  hash.update(digestOf(leafDer)).update(intermediatesDer.map(digestOf).toSorted().join(''));
  const rest = [intermediatesDer.length, anchors.version, crls?.version ?? null, policy];
  return hash.update(JSON.stringify(rest)).digest('hex');
}

function digestOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

interface Remembered {
  readonly verdict: ChainVerdict;
  /** Milliseconds since 1970: remembered from, and until just before. */
  readonly fromMs: number;
  readonly untilMs: number;
}

interface RecentMap {
  get(key: string, nowMs: number): ChainVerdict | null;
  set(key: string, value: Remembered): void;
  size(): number;
}

/** Keeps the `limit` entries that were used last. */
function createRecentMap(limit: number): RecentMap {
  const entries = new Map<string, Remembered>();
  return {
    get(key, nowMs) {
      const found = entries.get(key);
      if (found === undefined) return null;
      entries.delete(key);
      // A clock that was set back makes an entry one of the future: judged anew.
      if (nowMs < found.fromMs || nowMs >= found.untilMs) return null;
      entries.set(key, found);
      return found.verdict;
    },
    set(key, value) {
      entries.delete(key);
      const oldest = entries.keys().next();
      if (entries.size >= limit && !oldest.done) entries.delete(oldest.value);
      entries.set(key, value);
    },
    size: () => entries.size,
  };
}
