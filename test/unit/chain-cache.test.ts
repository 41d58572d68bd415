// Verdicts are remembered for minutes, never past an expiry, and junk does not push out what counts.
import { describe, expect, it } from 'vitest';
import type { ChainQuestion, ChainVerdict } from '../../src/tls/certificate-chain.ts';
import { createChainCache, type ChainCacheOptions } from '../../src/tls/chain-cache.ts';
import { readRevocationLists } from '../../src/tls/revocation-list.ts';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';
import { testNow, writeAuthority, writeLeaf } from '../support/certificate-writer.ts';

const minuteMs = 60_000;
const after = (ms: number) => new Date(testNow.getTime() + ms);

const question: ChainQuestion = {
  leafDer: Buffer.from('leaf'),
  intermediatesDer: [Buffer.from('one')],
  anchors: readTrustBundle([]),
  crls: null,
  now: testNow,
  policy: { purpose: 'clientAuth' },
};

function accepted({
  validUntil = after(1e9),
  crlsCurrentUntil = null,
}: {
  validUntil?: Date;
  crlsCurrentUntil?: Date | null;
}): ChainVerdict {
  const chain = {
    path: [],
    keyPins: [],
    names: { dns: [], uri: [] },
    validFrom: testNow,
    validUntil,
    crlsCurrentUntil,
  };
  return { verdict: 'accept', chain, signatureChecks: 1 };
}
const rejected: ChainVerdict = { verdict: 'reject', reason: 'EXPIRED', signatureChecks: 0 };

/** A cache over a judge that counts how often it is asked. */
function countingCache(verdict: (asked: ChainQuestion) => ChainVerdict, options: ChainCacheOptions = {}) {
  let calls = 0;
  const cache = createChainCache({
    ...options,
    judge(asked) {
      calls += 1;
      return verdict(asked);
    },
  });
  return { cache, calls: () => calls };
}

describe('an accepted chain', () => {
  it.each<[string, ChainVerdict, number]>([
    ['5 minutes', accepted({}), 5 * minuteMs],
    ['until the first certificate of its path expires', accepted({ validUntil: after(minuteMs) }), minuteMs],
    ['until a revocation list ends', accepted({ crlsCurrentUntil: after(2 * minuteMs) }), 2 * minuteMs],
  ])('is remembered for %s', (_name, verdict, ms) => {
    const { cache, calls } = countingCache(() => verdict);
    cache.judge(question);
    cache.judge({ ...question, now: after(ms - 1) });
    expect(calls()).toBe(1);
    cache.judge({ ...question, now: after(ms) });
    expect(calls()).toBe(2);
  });

  it('is judged again when the clock was set back', () => {
    const { cache, calls } = countingCache(() => accepted({}));
    cache.judge(question);
    cache.judge({ ...question, now: after(-1) });
    expect(calls()).toBe(2);
  });

  it.each<[string, Partial<ChainQuestion>]>([
    ['leaf', { leafDer: Buffer.from('leaf2') }],
    ['intermediate', { intermediatesDer: [Buffer.from('two')] }],
    ['number of intermediates', { intermediatesDer: [] }],
    ['bundle', { anchors: readTrustBundle([Buffer.from('x')]) }],
    ['revocation list', { crls: readRevocationLists([Buffer.from('x')]) }],
    ['policy', { policy: { purpose: 'serverAuth', keyPins: [] } }],
  ])('is judged again with another %s', (_name, change) => {
    const { cache, calls } = countingCache(() => accepted({}));
    cache.judge(question);
    cache.judge({ ...question, ...change });
    expect(calls()).toBe(2);
  });

  it('is not pushed out by a thousand refused ones', () => {
    const { cache, calls } = countingCache(
      ({ leafDer }) => (Buffer.from(leafDer).toString() === 'leaf' ? accepted({}) : rejected),
      { acceptedLimit: 1, refusedLimit: 10 },
    );
    cache.judge(question);
    for (let index = 0; index < 1000; index += 1)
      cache.judge({ ...question, leafDer: Buffer.from(`junk ${index}`) });
    expect(cache.sizes()).toEqual({ accepted: 1, refused: 10 });
    cache.judge(question);
    expect(calls()).toBe(1001);
  });
});

describe('a refused chain', () => {
  it('is remembered for 30 seconds', () => {
    const { cache, calls } = countingCache(() => rejected);
    cache.judge(question);
    expect(cache.judge({ ...question, now: after(minuteMs / 2 - 1) })).toBe(rejected);
    expect(calls()).toBe(1);
    cache.judge({ ...question, now: after(minuteMs / 2) });
    expect(calls()).toBe(2);
  });

  it('is not judged anew when its intermediates are shuffled, only when one of them is another', () => {
    const { cache, calls } = countingCache(() => rejected);
    const ask = (...names: string[]) =>
      cache.judge({ ...question, intermediatesDer: names.map((name) => Buffer.from(name)) });
    ask('one', 'two', 'three');
    ask('three', 'one', 'two');
    expect(calls()).toBe(1);
    ask('one', 'two', 'two');
    expect(calls()).toBe(2);
  });

  it('that was asked for least recently makes room', () => {
    const { cache, calls } = countingCache(() => rejected, { refusedLimit: 2 });
    const ask = (name: string) => cache.judge({ ...question, leafDer: Buffer.from(name) });
    for (const name of ['a', 'b', 'a', 'c', 'a']) ask(name);
    expect(calls()).toBe(3);
    ask('b');
    expect(calls()).toBe(4);
  });
});

it('judges with the verifier itself where no other judge is given', () => {
  const root = writeAuthority();
  const anchors = readTrustBundle([root.der]);
  const leafDer = writeLeaf({ issuer: root }).der;
  const cache = createChainCache();
  const asked = { ...question, anchors, leafDer, intermediatesDer: [] };
  expect(cache.judge(asked).verdict).toBe('accept');
  expect(cache.judge({ ...asked, leafDer: Buffer.of(1) }).verdict).toBe('reject');
  expect(cache.sizes()).toEqual({ accepted: 1, refused: 1 });
});
