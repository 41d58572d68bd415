import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideRetry, type RetryClass } from '../../src/core/retry-policy.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const classes: RetryClass[] = [
  'lean_network',
  'lean_timeout',
  'lean_server',
  'lean_rate_limit',
  'lean_duplicate',
  'lean_bank_issue',
  'lean_refusal',
  'lean_results_pending',
  'engine_away',
  'event_surprise',
];

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('decideRetry', () => {
  it('bounds every delay, whatever the class, the attempt and the wish of the other side', () => {
    const retryAfterMs = fc.option(fc.double({ min: 0, max: 1e15, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(
        fc.constantFrom(...classes),
        fc.integer({ min: 1, max: 1e9 }),
        random,
        retryAfterMs,
        (retryClass, attempt, drawn, wish) => {
          const decision = decideRetry({ retryClass, attempt, random: drawn, retryAfterMs: wish });
          if (decision.kind === 'give_up') return;
          expect(Number.isInteger(decision.delayMs)).toBe(true);
          expect(decision.delayMs).toBeGreaterThan(0);
          expect(decision.delayMs).toBeLessThanOrEqual(61 * minuteMs);
        },
      ),
    );
  });

  it('gives up after its time and a bounded number of attempts, except while our own engines are away', () => {
    for (const retryClass of classes.filter((name) => name !== 'engine_away')) {
      expect(decideRetry({ retryClass, attempt: 1, triedForMs: 2 * dayMs, random: 0.5 }).kind).toBe('retry');
      expect(decideRetry({ retryClass, attempt: 40, triedForMs: 2 * dayMs, random: 0.5 })).toEqual({
        kind: 'give_up',
      });
    }
    const late = decideRetry({ retryClass: 'engine_away', attempt: 1_000_000, random: 0.999 });
    expect(late.kind === 'retry' && late.delayMs <= 30_000).toBe(true);
  });

  it.each([
    'lean_network',
    'lean_timeout',
    'lean_server',
    'lean_rate_limit',
    'lean_bank_issue',
    'lean_refusal',
  ] as const)('outlives a day of %s, in at most 1,500 attempts', (retryClass) => {
    const { triedForMs, attempts } = tryToTheEnd(retryClass);
    expect(triedForMs).toBeGreaterThanOrEqual(dayMs);
    expect(triedForMs).toBeLessThan(1.1 * dayMs);
    expect(attempts).toBeLessThan(1_500);
  });

  it('asks again within an hour, but not within five minutes, where an operator has to act', () => {
    fc.assert(
      fc.property(random, fc.integer({ min: 1, max: 1e6 }), (drawn, attempt) => {
        const decision = decideRetry({ retryClass: 'lean_refusal', attempt, random: drawn });
        const delayMs = decision.kind === 'retry' ? decision.delayMs : 0;
        expect(delayMs).toBeGreaterThanOrEqual(5 * minuteMs);
        expect(delayMs).toBeLessThanOrEqual(60 * minuteMs);
      }),
    );
  });

  it('waits as long as Retry-After says, capped at 15 minutes', () => {
    expect(rateLimited(120_000)).toEqual({ kind: 'retry', delayMs: 120_000 });
    expect(rateLimited(86_400_000)).toEqual({ kind: 'retry', delayMs: 15 * minuteMs });
  });

  it('comes back to a duplicated request after about a minute', () => {
    fc.assert(
      fc.property(random, fc.integer({ min: 1, max: 14 }), (drawn, attempt) => {
        const decision = decideRetry({ retryClass: 'lean_duplicate', attempt, random: drawn });
        const delayMs = decision.kind === 'retry' ? decision.delayMs : 0;
        expect(Math.abs(delayMs - minuteMs)).toBeLessThanOrEqual(15_000);
      }),
    );
  });

  it('spreads retries over the whole width: full jitter', () => {
    expect(thirdNetworkFailure(0)).toEqual({ kind: 'retry', delayMs: 200 });
    expect(thirdNetworkFailure(0.5)).toEqual({ kind: 'retry', delayMs: 4200 });
  });
});

function rateLimited(retryAfterMs: number) {
  return decideRetry({ retryClass: 'lean_rate_limit', attempt: 1, random: 0, retryAfterMs });
}

function thirdNetworkFailure(drawn: number) {
  return decideRetry({ retryClass: 'lean_network', attempt: 3, random: drawn });
}

/** As a step does it, with the average of every delay. */
function tryToTheEnd(retryClass: RetryClass): { triedForMs: number; attempts: number } {
  let triedForMs = 0;
  for (let attempt = 1; ; attempt += 1) {
    const decision = decideRetry({ retryClass, attempt, triedForMs, random: 0.5 });
    if (decision.kind === 'give_up') return { triedForMs, attempts: attempt };
    triedForMs += decision.delayMs;
  }
}
