// A whole deployment on this machine: receiver and workers as processes of their own, a Redis of its own, a schema
// of its own, and Lean's API played by the simulator over mTLS. Everything it starts it stops by pid.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import {
  comparedTables,
  comparedTablesSql,
  type ComparedTable,
  type ExpectedRow,
} from '../simulator/expected-tables.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { freePort } from './engines-processes.ts';
import { openTestDatabase, startPrivateRedis, type PrivateEngine, type TestDatabase } from './engines.ts';
import { receiverSettings, workerSettings, type DeploymentParts } from './deployment-settings.ts';
import { testPki, writePki, type Pki } from './pki.ts';
import { runMigrate, startRole, type RoleProcess } from './processes.ts';

/** One of several: with a journal of that name, and on the port that its settings say. */
export interface ReceiverOptions {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
}

export interface Deployment {
  readonly pki: Pki;
  readonly secret: string;
  readonly redis: PrivateEngine;
  readonly database: TestDatabase;
  readonly lean: LeanServer;
  /** Resolves when it listens. The same journal and port every time; gives the webhook's address. */
  startReceiver(options?: ReceiverOptions): Promise<{ process: RoleProcess; url: string }>;
  startWorker(): Promise<RoleProcess>;
  /** Empties the Redis of this deployment, as an operator's slip would. */
  flushRedis(): Promise<void>;
  /** The compared tables as text, with the simulator's own queries. */
  tables(): Promise<Record<ComparedTable, ExpectedRow[]>>;
  close(): Promise<void>;
}

/** Four processes may start at one time, on a machine that has other things to do. */
const startDeadlineMs = 120_000;

export async function startDeployment(options: { customers: SimulatedCustomers }): Promise<Deployment> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lean-deployment-'));
  const pki = await testPki();
  const files = await writePki(pki, path.join(dir, 'certificates'));
  const redis = await startPrivateRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
  const database = await openTestDatabase({ migrated: false });
  const appToken = randomUUID();
  const secret = randomBytes(24).toString('hex');
  const lean = await startLeanServer({
    pki,
    customers: options.customers,
    appToken,
    requireClientCertificate: true,
  });
  const parts: DeploymentParts = {
    files,
    secret,
    appToken,
    payloadKey: randomBytes(32).toString('base64'),
    redisUrl: redis.url,
    databaseUrl: database.url ?? '',
    schema: database.schema,
    leanUrl: lean.url,
    dir,
  };
  await runMigrate(workerSettings(parts));
  const started: RoleProcess[] = [];
  const port = String(await freePort());
  return {
    pki,
    secret,
    redis,
    database,
    lean,
    async startReceiver({ name, settings } = { name: 'journal', settings: {} }) {
      const PORT = name === 'journal' ? port : '0';
      const process = startRole('receiver', { ...receiverSettings(parts, name), PORT, ...settings });
      started.push(process);
      const url = String((await process.line('listening', startDeadlineMs))['url']);
      return { process, url: new URL('/webhooks/lean', url).href };
    },
    async startWorker() {
      const process = startRole('worker', workerSettings(parts));
      started.push(process);
      await process.line('listening', startDeadlineMs);
      return process;
    },
    async flushRedis() {
      const connection = new Redis(redis.url, { maxRetriesPerRequest: 1 });
      await connection.flushall();
      connection.disconnect();
    },
    tables: () => readTables(database),
    async close() {
      for (const process of started) process.kill('SIGKILL');
      await Promise.all(started.map(({ exited }) => exited));
      await lean.close();
      await database.drop();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function readTables({ database, schema }: TestDatabase): Promise<Record<ComparedTable, ExpectedRow[]>> {
  const queries = comparedTablesSql(schema);
  const read = async (table: ComparedTable) =>
    (await sql.raw<ExpectedRow>(queries[table]).execute(database.db)).rows;
  const [entities, accounts, balances, transactions] = await Promise.all(
    comparedTables.map((table) => read(table)),
  );
  return {
    entities: entities ?? [],
    accounts: accounts ?? [],
    balances: balances ?? [],
    transactions: transactions ?? [],
  };
}
