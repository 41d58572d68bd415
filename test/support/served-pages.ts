// The operator's pages on a listener of their own, over whatever engines a test gives them, and figures worth seeing.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { createReadiness, type Readiness } from '../../src/observability/readiness.ts';
import { createOperatorPages } from '../../src/operations/operator-pages.ts';
import { startOpsListener } from '../../src/operations/ops-listener.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { openEventQueue, openSyncQueue } from '../../src/queue/work-queues.ts';
import type { Database } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { createRecordingLogger, type RecordedLine } from './silent-logger.ts';

export const opsToken = 'ops-token-of-the-tests';

export interface ServedPages {
  readonly url: string;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly lines: readonly RecordedLine[];
  /** With the token unless other headers are given. */
  get(path: string, init?: RequestInit): Promise<Response>;
  text(path: string): Promise<string>;
  close(): Promise<void>;
}

interface ServedOptions {
  readonly role: 'receiver' | 'worker' | 'all';
  readonly redisUrl: string;
  readonly prefix?: string;
  readonly databaseUrl?: string | undefined;
  readonly schema?: string;
  /** An embedded one. */
  readonly database?: Database;
}

/** Beyond every deadline of the pages. */
const patienceMs = 60_000;

export async function servePages(options: ServedOptions): Promise<ServedPages> {
  const { role, redisUrl, prefix = '{pages}', databaseUrl, schema = 'lean', database } = options;
  const metrics = createMetrics({ processMetrics: false });
  const readiness = createReadiness();
  const { logger, lines } = createRecordingLogger();
  const config = {
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: prefix,
    DATABASE_URL: databaseUrl,
    DATABASE_SCHEMA: schema,
  };
  const pages = createOperatorPages({ role, token: opsToken, config, logger, metrics, readiness });
  if (database !== undefined) pages.useEngines({ redisUrl, database });
  const listener = await startOpsListener({ host: '127.0.0.1', port: 0, readiness, metrics, pages });
  const get = (path: string, init: RequestInit = { headers: { authorization: `Bearer ${opsToken}` } }) =>
    fetch(`${listener.url}${path}`, { signal: AbortSignal.timeout(patienceMs), ...init });
  return {
    url: listener.url,
    metrics,
    readiness,
    lines,
    get,
    text: async (path) => (await get(path)).text(),
    async close() {
      await listener.close();
      await pages.close();
      metrics.close();
    },
  };
}

/** What a page says, without its markup. */
export function wordsOf(page: string): string {
  return page
    .replace(/<style>.*<\/style>/s, '')
    .replaceAll(/<wbr[^>]*>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

/** In seconds, and a little more. */
const days = (number: number) => number * 86_400 + 60;

/** What a receiver has counted. */
export function countDeliveries({ metrics, readiness }: ServedPages): void {
  readiness.register('journal', () => ({ ok: true }));
  metrics.deliveries.inc({ outcome: 'accepted' }, 1234);
  metrics.deliveries.inc({ outcome: 'SIGNATURE_INVALID' }, 3);
  metrics.deliveries.inc({ outcome: 'NOT_FOUND' }, 2);
  metrics.journalRows.set(17);
  metrics.journalBytes.set(5 * 1_048_576);
  metrics.journalLimitBytes.set(1_073_741_824);
  metrics.journalOldestAgeSeconds.set(42);
  metrics.journalSecondsUntilFull.set(Infinity);
  metrics.batchesOutstanding.set(2);
  const gauge = metrics.certificateExpirySeconds;
  gauge.set({ material: 'server_certificate', sha256: '00ff11ee22dd33cc' }, days(20));
  gauge.set({ material: 'lean_chain', sha256: 'aa00bb11cc22dd33' }, days(3_000));
  gauge.set({ material: 'lean_crl', sha256: '123456789abcdef0' }, days(8));
}

export interface FilledDatabase {
  readonly installationId: string;
}

/** Events in every state, syncs that ended, sweeps; `concluded` is how many were processed a minute ago. */
export async function fillDatabase(
  database: Database,
  { concluded = 7, code = 'EVENT_HANDLER_FAILED' } = {},
): Promise<FilledDatabase> {
  const facts = { environment: 'sandbox', region: 'ae', appToken: 'token' };
  const installationId = await stampInstallation(database, facts);
  const events = database.table('webhook_events');
  const runs = database.table('sync_runs');
  const add = (count: number, state: string, more: { code?: string; hasBody?: boolean } = {}) =>
    sql`
    insert into ${events} (event_key, entity_id, customer_id, received_at, proof, state, body, body_sha256,
      failure_code, concluded_at)
    select gen_random_uuid()::text, 'entity-of-somebody', 'customer-of-somebody', now() - interval '100 minutes',
      'signature', ${state}, ${more.hasBody === false ? null : Buffer.from('{}')}::bytea, 'x', ${more.code ?? null},
      ${state === 'received' ? null : sql`now()`}::timestamptz
    from generate_series(1, ${count}::integer)`.execute(database.db);
  await add(concluded, 'processed');
  await add(4, 'ignored', { hasBody: false });
  await add(2, 'quarantined', { code: 'EVENT_NOT_JSON' });
  await add(1, 'failed', { code });
  await add(5, 'received');
  const sync = (id: string, state: string, failure: string | null) =>
    sql`
    insert into ${runs} (sync_id, entity_id, reason, state, finished_at, failure_code)
    values (${id}, 'entity-of-somebody', 'refresh', ${state}, now(), ${failure})`.execute(database.db);
  await sync('sync-1', 'done', null);
  await sync('sync-2', 'failed', 'LEAN_RATE_LIMITED');
  await sql`insert into ${database.table('sweep_progress')}
    (sweep, page, finished_at, covered_until, found, failures_in_a_row, failure_code)
    values ('events', 0, '2026-05-01T10:00:00Z', '2026-05-01T09:50:00Z', 3, 0, null),
      ('banks', 0, null, null, 0, 2, 'LEAN_UNREACHABLE')`.execute(database.db);
  return { installationId };
}

export const hiddenWords = {
  payload: 'c2VhbGVkLXBheWxvYWQtb2Ytc29tZWJvZHk=',
  entityId: 'entity-of-somebody-else',
  stepKey: 'transactions:account-of-somebody:1',
};

/** A job in every queue, with what must not be seen in its data; gives one id of each. */
export async function fillQueues(url: string, prefix: string): Promise<Readonly<Record<string, string>>> {
  const options = { url, prefix, deadlineMs: 20_000 };
  const [intake, events, syncs] = [openIntakeQueue(options), openEventQueue(options), openSyncQueue(options)];
  const journalId = randomUUID();
  try {
    const sealed = Buffer.from(hiddenWords.payload, 'base64');
    const delivery = {
      sequence: 1,
      receivedAt: new Date().toISOString(),
      proof: 'signature',
      sealed,
    } as const;
    await intake.addBatch({ journalId, first: 1, last: 1, deliveries: [delivery] });
    await events.add([{ id: 'ev_of-the-test_0', data: { eventKey: 'event-key-of-somebody' } }]);
    const { entityId, stepKey } = hiddenWords;
    await syncs.add([
      { id: 'sy_of-the-test_0', data: { kind: 'step', syncId: 'sync-1', stepKey }, priority: 1 },
      { id: 'fr_of-the-test', data: { kind: 'freshness', entityId }, priority: 5 },
    ]);
    await events.publishInstallation('installation-in-redis');
    return {
      'webhook-intake': `in_${journalId}_1-1`,
      'webhook-events': 'ev_of-the-test_0',
      'lean-sync': 'sy_of-the-test_0',
    };
  } finally {
    await Promise.all([intake.close(), events.close(), syncs.close()]);
  }
}
