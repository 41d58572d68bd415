// Erases customers whom the application wants erased, one at a time in this worker, and one worker at a time for each. A
// worker that is stopped gives the rest back; one that dies loses it to another as soon as its time is up.
import { AppError } from '../core/app-error.ts';
import { machineClock, type Clock } from '../core/clock.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Database } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import { eraseCustomer } from '../store/erase-customer.ts';
import {
  claimEraseRequest,
  concludeEraseRequest,
  renewEraseRequest,
  type EraseRequest,
} from '../store/erase-request-store.ts';
import { startTimer, type RepeatingTimer, type TimerAnswer } from './repeating-timer.ts';
import { reportRequest } from './request-report.ts';

interface ErasureTimerOptions {
  readonly database: Database;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'requests'>;
  /** Between two looks, varied by a fifth; 4,000 when left out. */
  readonly intervalMs?: number;
  /** Rows of one transaction; for tests. */
  readonly rowsPerTransaction?: number;
  /** The machine's when left out. */
  readonly clock?: Clock;
}

const defaultIntervalMs = 4_000;
/** Longer than a transaction may take, with its statements and its rests. */
const leaseMs = 120_000;
/** Between two signs of life, which come after transactions. */
const renewEveryMs = 15_000;
/** After a failure that may pass; doubled with each attempt. */
const firstPauseMs = 5_000;
const longestPauseMs = 600_000;
/** Who asked for it, in the operators' log. */
const operator = 'application';

export function startErasureTimer(options: ErasureTimerOptions): RepeatingTimer {
  const { logger, intervalMs = defaultIntervalMs, clock = machineClock } = options;
  return startTimer({
    intervalMs,
    jitter: 0.2,
    clock,
    run: (closing) => eraseAsked(options, closing),
    onError(error, isNew) {
      // One line for an outage, however long it lasts.
      if (isNew) logger.write('requests', { outcome: 'failed', error });
    },
  });
}

/** One look, and the erasure that comes of it; for tests too. */
export async function eraseAsked(options: ErasureTimerOptions, stop: AbortSignal): Promise<TimerAnswer> {
  const request = stop.aborted ? null : await claimEraseRequest(options.database, { leaseMs });
  if (request === null) return 'rest';
  const { requestId } = request;
  const about = { kind: 'erase', requestId } as const;
  if (request.isFirst) reportRequest(options, { ...about, outcome: 'picked_up' });
  const startedMs = performance.now();
  try {
    const rows = await erase(options, request, stop);
    if (await concludeEraseRequest(options.database.db, request)) {
      const durationMs = performance.now() - startedMs;
      reportRequest(options, { ...about, outcome: 'done', rows, durationMs });
    } else if (await renewEraseRequest(options.database.db, { ...request, leaseMs: 0 })) {
      // Asked for again meanwhile: what there is of them since then goes too.
      reportRequest(options, { ...about, outcome: 'later' });
    }
    return 'again';
  } catch (error) {
    if (error instanceof NotOurs) return 'again';
    await giveBack(options, request, { error, isStopped: stop.aborted });
    return 'rest';
  }
}

/** Somebody else has taken it up, because we were silent for too long. Never leaves this file. */
class NotOurs extends Error {}

/** Rows that were deleted. */
async function erase(
  { database, rowsPerTransaction }: ErasureTimerOptions,
  request: EraseRequest,
  stop: AbortSignal,
): Promise<number> {
  const { customerId, requestId, askedAt } = request;
  let renewedMs = performance.now();
  const { rows } = await eraseCustomer(database, {
    customerId,
    requestId,
    operator,
    // Not when it is carried out: who is here anew by then is not meant.
    now: askedAt,
    ...(rowsPerTransaction !== undefined && { rowsPerTransaction }),
    async onProgress() {
      stop.throwIfAborted();
      if (performance.now() - renewedMs < renewEveryMs) return;
      if (!(await renewEraseRequest(database.db, { ...request, leaseMs }))) throw new NotOurs();
      renewedMs = performance.now();
    },
  });
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}

async function giveBack(
  options: ErasureTimerOptions,
  request: EraseRequest,
  { error, isStopped }: { readonly error: unknown; readonly isStopped: boolean },
): Promise<void> {
  const { requestId, attempts } = request;
  const pauseMs = isStopped ? 0 : Math.min(firstPauseMs * 2 ** Math.min(attempts - 1, 10), longestPauseMs);
  const failureCode = isStopped ? null : codeOf(error);
  // Where the database is away this fails as well: then it is taken up again when its time is up.
  await renewEraseRequest(options.database.db, { ...request, leaseMs: pauseMs, failureCode });
  const about = { kind: 'erase', requestId, failureCode } as const;
  if (isStopped) reportRequest(options, { ...about, outcome: 'given_back' });
  else reportRequest(options, { ...about, outcome: 'later', error });
}

function codeOf(error: unknown): FailureCode {
  if (error instanceof AppError) return error.code;
  return databaseFailure(error) === 'away' ? 'DATABASE_AWAY' : 'REQUEST_FAILED';
}
