// Takes away, a little in every round, what has been kept long enough. Never holds up what a round is for: making
// jobs again comes first, and a failure here is a line of its own.
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Database } from '../store/database.ts';
import { retentionTasks, type KeepDays, type RetentionKind } from '../store/retention-store.ts';

export interface RetentionOptions {
  readonly database: Database;
  readonly keepDays: KeepDays;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'retained'>;
  /** Rows of one statement; 1,000 when left out. */
  readonly limit?: number;
  /** Statements of one kind in one round; 10 when left out. */
  readonly statementsPerRound?: number;
}

export interface Retention {
  /** One round. Never throws. */
  readonly run: () => Promise<void>;
  /** Lets a round under way end after its statement. */
  readonly stop: () => void;
}

const defaultLimit = 1_000;
const defaultStatementsPerRound = 10;

export function createRetention({
  database,
  keepDays,
  logger,
  metrics,
  limit = defaultLimit,
  statementsPerRound = defaultStatementsPerRound,
}: RetentionOptions): Retention {
  const tasks = retentionTasks(database, { keepDays, limit });
  const stopping = new AbortController();
  let failing = false;

  async function runTasks(rows: Map<RetentionKind, number>): Promise<void> {
    for (const { kind, run } of tasks) {
      for (let statements = 0; statements < statementsPerRound; statements += 1) {
        const done = stopping.signal.aborted ? null : await run();
        if (done === null) return;
        if (done > 0) rows.set(kind, (rows.get(kind) ?? 0) + done);
        if (done < limit) break;
      }
    }
  }

  function report(rows: ReadonlyMap<RetentionKind, number>, startedAt: number): void {
    if (rows.size === 0) return;
    for (const [kind, count] of rows) metrics.retained.inc({ kind }, count);
    const durationMs = Math.round(performance.now() - startedAt);
    logger.write('retention', { outcome: 'done', ...Object.fromEntries(rows), duration_ms: durationMs });
  }

  return {
    async run() {
      const startedAt = performance.now();
      const rows = new Map<RetentionKind, number>();
      try {
        await runTasks(rows);
        failing = false;
      } catch (error) {
        // One line for an outage, however long it lasts.
        if (!failing) logger.write('retention', { outcome: 'failed', error });
        failing = true;
      }
      report(rows, startedAt);
    },
    stop() {
      stopping.abort();
    },
  };
}
