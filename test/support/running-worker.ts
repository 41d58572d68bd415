// A whole worker for tests: its own database and Redis prefix, and a simulated Lean that knows some customers.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { loadConfig } from '../../src/config/load-config.ts';
import type { Proof } from '../../src/core/delivery.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { createReadiness, type Readiness } from '../../src/observability/readiness.ts';
import { openIntakeQueue, type IntakeQueue } from '../../src/queue/intake-queue.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { seal } from '../../src/sealing/seal.ts';
import { openDatabase, postgresDialect } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { migrate } from '../../src/store/migrate.ts';
import { startWorker, type RunningWorker } from '../../src/worker/start-worker.ts';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import { comparedTables, comparedTablesSql, type ComparedTable } from '../simulator/expected-tables.ts';
import { startLeanServer, type LeanServer, type LeanServerOptions } from '../simulator/lean-server.ts';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from './engines.ts';
import { testPki, writePki } from './pki.ts';
import { createRecordingLogger, type RecordedLine } from './silent-logger.ts';

const appTokenOfTests = 'app-token-of-tests';
const payloadKey = Buffer.alloc(32, 7).toString('base64');

export interface WorkerWorld {
  readonly test: TestDatabase;
  readonly lean: LeanServer;
  readonly intake: IntakeQueue;
  readonly lines: RecordedLine[];
  readonly readiness: Readiness;
  /** Of all workers of this process. */
  readonly metrics: Metrics;
  readonly env: Readonly<Record<string, string>>;
  /** Another worker beside those that run already. */
  start(): Promise<RunningWorker>;
  /** Puts deliveries into Redis as a receiver's forwarder does, in batches. */
  deliver(bodies: readonly string[], options?: { proof?: Proof; batchSize?: number }): Promise<void>;
  /** The rows that the simulator's `expectedTables` tells of. */
  tables(): Promise<Record<ComparedTable, unknown[]>>;
  close(): Promise<void>;
}

interface WorldOptions {
  readonly customers: SimulatedCustomers;
  /** The shared one when left out. */
  readonly redisUrl?: string;
  /** A Postgres of the test's own; its schema is made here. */
  readonly databaseUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The UAE when left out. */
  readonly region?: 'ae' | 'sa';
  /** How this Lean differs from one that takes the app token of a certificate's holder; `oauth` gives us the secret. */
  readonly lean?: Partial<LeanServerOptions>;
  /** Between two looks at what sweeps have to do. */
  readonly sweepEveryMs?: number;
  /** Which Lean application's it is; that of all tests when left out. */
  readonly appToken?: string;
  /** The sandbox when left out. */
  readonly environment?: 'sandbox' | 'production';
}

export async function createWorkerWorld(options: WorldOptions): Promise<WorkerWorld> {
  const { customers, redisUrl, databaseUrl, env: changes, region = 'ae', sweepEveryMs } = options;
  const { appToken = appTokenOfTests, environment = 'sandbox' } = options;
  const test = databaseUrl === undefined ? await openTestDatabase() : await openPrivateDatabase(databaseUrl);
  const dir = await mkdtemp(path.join(tmpdir(), 'worker-'));
  const pki = await testPki();
  const files = await writePki(pki, dir);
  const lean = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: true,
    ...options.lean,
  });
  const secret = options.lean?.oauth?.clientSecret;
  const url = redisUrl ?? engines.redisUrl;
  const prefix = uniquePrefix();
  const env = {
    LEAN_ENVIRONMENT: environment,
    LEAN_REGION: region,
    LEAN_APP_TOKEN: appToken,
    LEAN_API_URL: lean.url,
    LEAN_CA_FILE: files.leanChain,
    LEAN_CERT_FILE: files.applicationCert,
    LEAN_KEY_FILE: files.applicationKey,
    ...(secret !== undefined && { LEAN_CLIENT_SECRET: secret, LEAN_AUTH_URL: new URL(lean.tokenUrl).origin }),
    LEAN_RATE_LIMIT_PER_SECOND: '0',
    REDIS_URL: url,
    QUEUE_PREFIX: prefix,
    DATABASE_URL: test.url ?? 'postgres://embedded@127.0.0.1/embedded',
    DATABASE_SCHEMA: test.schema,
    PAYLOAD_KEYS: payloadKey,
    // The fixtures are as old as they are.
    EVENT_KEY_KEEP_DAYS: '3650',
    ...changes,
  };
  await stampInstallation(test.database, { environment, region, appToken });
  const intake = openIntakeQueue({ url, prefix, deadlineMs: 20_000 });
  const readiness = createReadiness();
  const metrics = createMetrics({ processMetrics: false });
  const { logger, lines } = createRecordingLogger();
  const running: RunningWorker[] = [];
  return {
    test,
    lean,
    intake,
    lines,
    readiness,
    metrics,
    env,
    async start() {
      const worker = await startWorker({
        config: loadConfig('worker', env),
        ...(test.url === undefined && { database: test.database }),
        logger,
        metrics,
        readiness,
        reconciler: { intervalMs: 300, olderThanMs: 300 },
        ...(sweepEveryMs !== undefined && { sweeps: { intervalMs: sweepEveryMs } }),
      });
      running.push(worker);
      return worker;
    },
    async deliver(bodies, { proof = 'signature', batchSize = 20 } = {}) {
      for (let from = 0; from < bodies.length; from += batchSize) {
        await intake.addBatch(sealedBatch(bodies.slice(from, from + batchSize), proof));
      }
    },
    tables: () => readTables(test),
    async close() {
      await Promise.all(running.map((worker) => worker.close()));
      await intake.close();
      await lean.close();
      metrics.close();
      await test.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** In an engine that goes away with its test, so nothing is dropped. */
async function openPrivateDatabase(url: string): Promise<TestDatabase> {
  const schema = 'lean';
  const dialect = postgresDialect({
    url,
    poolSize: 4,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  const database = openDatabase({ dialect, schema });
  await migrate(database);
  return { database, url, schema, drop: () => database.close() };
}

function sealedBatch(bodies: readonly string[], proof: Proof) {
  const journalId = randomUUID();
  const keyRing = parseKeyRing([payloadKey]);
  return {
    journalId,
    first: 1,
    last: bodies.length,
    deliveries: bodies.map((body, index) => {
      const record = { purpose: 'delivery', recordId: `${journalId}:${index + 1}` } as const;
      return {
        sequence: index + 1,
        receivedAt: new Date().toISOString(),
        proof,
        sealed: seal(keyRing, record, Buffer.from(body)),
      };
    }),
  };
}

async function readTables({ database, schema }: TestDatabase): Promise<Record<ComparedTable, unknown[]>> {
  const queries = comparedTablesSql(schema);
  const tables: Record<ComparedTable, unknown[]> = {
    entities: [],
    accounts: [],
    balances: [],
    transactions: [],
  };
  for (const table of comparedTables)
    tables[table] = (await sql.raw(queries[table]).execute(database.db)).rows;
  return tables;
}
