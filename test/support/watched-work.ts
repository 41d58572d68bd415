// Every statement of a worker that does all of its work once, as Postgres got it. Changes nothing about any.
import { loadConfig } from '../../src/config/load-config.ts';
import { openDatabase, postgresDialect } from '../../src/store/database.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import type { WorkerWorld } from './running-worker.ts';
import { createRecordingLogger, type RecordedLine } from './silent-logger.ts';
import { watchedDialect, type SentStatement } from './watched-statements.ts';
import { doWholeWork } from './whole-work.ts';

export interface WatchedWork {
  readonly lines: readonly RecordedLine[];
  /** The first of each text. */
  readonly sent: ReadonlyMap<string, SentStatement>;
}

/** Of a world of `createWholeWorld`, by a worker that comes to Postgres by this URL. */
export async function watchWholeWork(world: WorkerWorld, databaseUrl: string): Promise<WatchedWork> {
  const sent = new Map<string, SentStatement>();
  const dialect = postgresDialect({
    url: databaseUrl,
    poolSize: 8,
    applicationName: 'lean-worker',
    onIdleError: () => undefined,
  });
  const workers = openDatabase({
    schema: world.test.schema,
    dialect: watchedDialect(dialect, (one) => sent.has(one.sql) || sent.set(one.sql, one)),
  });
  const { logger, lines } = createRecordingLogger();
  const { metrics, readiness } = world;
  const worker = await startWorker({
    config: loadConfig('worker', world.env),
    database: workers,
    logger,
    metrics,
    readiness,
    reconciler: { intervalMs: 300, olderThanMs: 300 },
    sweeps: { intervalMs: 100 },
  });
  try {
    await doWholeWork(world);
  } finally {
    await worker.close();
    await workers.close();
  }
  return { lines, sent };
}
