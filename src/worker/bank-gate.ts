// Whether a bank may be asked now, and what a reply says of it: a bank in trouble is left alone for a while, longer each
// time, and no other bank is held up by it. Its first answer ends the pause.
import { decideRetry } from '../core/retry-policy.ts';
import { isBankTrouble, type LeanFailure } from '../lean/lean-failures.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { appendChanges } from '../store/change-store.ts';
import {
  hasRested,
  pauseBank,
  readBankAvailability,
  resumeBank,
  type BankAvailability,
} from '../store/bank-store.ts';
import type { Database } from '../store/database.ts';
import type { SyncStep } from '../store/sync-step-store.ts';
import type { CallLean } from './sync-call.ts';

export interface BankGateDeps {
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'bankPauses'>;
  readonly now: () => Date;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

export interface BankGate {
  /** How long to wait; null when the bank may be asked, or is not known. */
  delayFor(bankIdentifier: string | null): Promise<number | null>;
  /** As above, of the bank of a step, as it was when the step was read. */
  delayForStep(step: Pick<SyncStep, 'isBankAvailable' | 'bankPausedUntil'>): number | null;
  /** What came of a call: `failure` is null where the bank's data came. */
  learn(bankIdentifier: string | null, failure: LeanFailure | null): Promise<void>;
}

const shortestMs = 1_000;
/** A bank that is back by webhook has its steps woken; this is for a webhook that was lost. */
const longestMs = 15 * 60_000;
/** Those that wait for one bank do not all come back in the same moment. */
const spread = 0.2;

export function createBankGate(deps: BankGateDeps): BankGate {
  const { database, now, random } = deps;

  function delayOf({ isAvailable, pausedUntil }: Pick<BankAvailability, 'isAvailable' | 'pausedUntil'>) {
    if (isAvailable && pausedUntil === null) return null;
    const leftMs = isAvailable && pausedUntil !== null ? pausedUntil.getTime() - now().getTime() : longestMs;
    const delayMs = Math.min(Math.max(leftMs, shortestMs), longestMs);
    return Math.round(delayMs * (1 + spread * random()));
  }

  return {
    async delayFor(bankIdentifier) {
      if (bankIdentifier === null) return null;
      return delayOf(await readBankAvailability(database.db, bankIdentifier));
    },
    delayForStep: ({ isBankAvailable: isAvailable, bankPausedUntil: pausedUntil }) =>
      delayOf({ isAvailable, pausedUntil }),
    async learn(bankIdentifier, failure) {
      if (bankIdentifier === null) return;
      if (failure === null) await resume(deps, bankIdentifier);
      else if (isBankTrouble(failure)) await pause(deps, bankIdentifier, failure);
    },
  };
}

async function resume({ database, logger }: BankGateDeps, bankIdentifier: string): Promise<void> {
  // So it is with nearly every answer, and a transaction costs three times a look.
  if (!(await hasRested(database.db, bankIdentifier))) return;
  const wasPaused = await database.transaction(async (transaction) => {
    if (!(await resumeBank(transaction, bankIdentifier))) return false;
    await appendChanges(transaction, [
      { ...ofNobody, details: { bankIdentifier, isAvailable: true, reason: null } },
    ]);
    return true;
  });
  if (wasPaused) logger.write('bank_state', { bank: bankIdentifier, outcome: 'resumed' });
}

async function pause(
  { database, logger, metrics, random }: BankGateDeps,
  bankIdentifier: string,
  { code, retryAfterMs }: LeanFailure,
): Promise<void> {
  const { isNew, pauseMs } = await database.transaction(async (transaction) => {
    // The first pause is short; how long this one is depends on how many came before it.
    const first = delayAfter({ attempt: 1, random: random(), retryAfterMs });
    const paused = await pauseBank(database, transaction, { bankIdentifier, forMs: first, reason: code });
    const forMs = delayAfter({ attempt: paused.pausesInARow, random: random(), retryAfterMs });
    if (!paused.isNew) return { isNew: false, pauseMs: first };
    if (forMs > first) await pauseBank(database, transaction, { bankIdentifier, forMs, reason: code });
    await appendChanges(transaction, [
      { ...ofNobody, details: { bankIdentifier, isAvailable: false, reason: code } },
    ]);
    return { isNew: true, pauseMs: Math.max(first, forMs) };
  });
  if (!isNew) return;
  metrics.bankPauses.inc();
  logger.write('bank_state', {
    bank: bankIdentifier,
    outcome: 'paused',
    failure_code: code,
    pause_ms: pauseMs,
  });
}

const ofNobody = { change: 'bank.updated', entityId: null, customerId: null } as const;

interface Pauses {
  readonly attempt: number;
  readonly random: number;
  readonly retryAfterMs: number | undefined;
}

/** Never given up: what waits for the bank has a schedule of its own. */
function delayAfter(pauses: Pauses): number {
  const decision = decideRetry({ ...pauses, retryClass: 'lean_bank_issue', triedForMs: 0 });
  return decision.kind === 'retry' ? decision.delayMs : longestMs;
}

/** The same calls; the gate learns from each. */
export function learnFromCalls(callLean: CallLean, gate: Pick<BankGate, 'learn'>): CallLean {
  return async (step, signal) => {
    const reply = await callLean(step, signal);
    // An entity is Lean's own, and a promise is no answer of the bank.
    if (reply.kind === 'failed') await gate.learn(step.bankIdentifier, reply.failure);
    if (reply.kind === 'page') await gate.learn(step.bankIdentifier, null);
    return reply;
  };
}
