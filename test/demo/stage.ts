// Everything the demo needs, started in one process and taken down again: engines, a way to Redis that can be cut,
// Lean's part, receiver and worker.
import { randomBytes, randomUUID } from 'node:crypto';
import path from 'node:path';
import { sql } from 'kysely';
import type { Opened } from '../../src/core/opened.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { openMemoryDatabase } from '../../src/embedded/embedded-database.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startReceiver } from '../../src/receiver/start-receiver.ts';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { migrate } from '../../src/store/migrate.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { generateCustomers, type SimulatedEntity } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { createPki, webhookClientName, writePki, type Pki, type PkiPaths } from '../support/pki.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { openDemoRedis, type DemoRedis } from './demo-redis.ts';

export interface Stage {
  readonly say: (text: string) => void;
  readonly pki: Pki;
  readonly secret: string;
  /** The webhook's address. */
  readonly url: string;
  readonly entity: SimulatedEntity;
  readonly lean: LeanServer;
  readonly wayToRedis: TcpProxy;
  readonly database: Database;
  /** The service's errors so far, as it logged them. */
  troubles(): readonly string[];
}

interface StageOptions {
  readonly dir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes what is to be closed, also of a stage that is only half built. */
  readonly opened: Opened;
  readonly say: (text: string) => void;
}

export async function startStage({ dir, env, opened, say }: StageOptions): Promise<Stage> {
  say('Starting Redis, the database, certificates of the day, a simulated Lean, receiver and worker …');
  const pki = await createPki();
  const paths = await writePki(pki, path.join(dir, 'certificates'));
  const name = `lean_demo_${randomBytes(4).toString('hex')}`;
  const redis = await openDemoRedis({ url: env['REDIS_URL'], prefix: `{${name}}` });
  opened.add(() => redis.close());
  const appToken = randomUUID();
  const database = await openDemoDatabase({ url: env['DATABASE_URL'], schema: name, appToken, opened });
  const secret = randomBytes(24).toString('hex');
  const customers = generateCustomers({
    seed: 'demo',
    entities: 1,
    accounts: 3,
    transactions: 120,
    region: 'ae',
  });
  const [entity] = customers.entities;
  if (entity === undefined) throw new Error('the simulator made no customer');
  const lean = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  opened.add(() => lean.close());
  const settings = settingsOf({ dir, paths, redis, database, appToken, secret, leanUrl: lean.url });
  const { url, troubles } = await startService(settings, { database, opened });
  return { say, pki, secret, url, entity, lean, wayToRedis: redis.way, database, troubles };
}

async function openDemoDatabase(options: {
  url: string | undefined;
  schema: string;
  appToken: string;
  opened: Opened;
}): Promise<Database> {
  const { url, schema, appToken, opened } = options;
  const database =
    url === undefined
      ? openMemoryDatabase(schema).database
      : openDatabase({
          schema,
          dialect: postgresDialect({
            url,
            poolSize: 8,
            applicationName: 'lean-demo',
            onIdleError: () => undefined,
          }),
        });
  opened.add(() => database.close());
  opened.add(() => sql`drop schema if exists ${sql.id(schema)} cascade`.execute(database.db));
  await migrate(database);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken });
  return database;
}

interface SettingsOptions {
  readonly dir: string;
  readonly paths: PkiPaths;
  readonly redis: DemoRedis;
  readonly database: Database;
  readonly appToken: string;
  readonly secret: string;
  readonly leanUrl: string;
}

function settingsOf(options: SettingsOptions): Record<string, string> {
  const { dir, paths, redis, database, appToken, secret, leanUrl } = options;
  return {
    HOST: '127.0.0.1',
    PORT: '0',
    VERIFY: 'certificate+signature',
    TLS_CERT_FILE: paths.tlsCert,
    TLS_KEY_FILE: paths.tlsKey,
    LEAN_CA_FILE: paths.leanChain,
    LEAN_CLIENT_NAMES: webhookClientName,
    LEAN_WEBHOOK_SECRET: secret,
    LEAN_ENVIRONMENT: 'sandbox',
    LEAN_REGION: 'ae',
    LEAN_API_URL: leanUrl,
    LEAN_APP_TOKEN: appToken,
    LEAN_CERT_FILE: paths.applicationCert,
    LEAN_KEY_FILE: paths.applicationKey,
    LEAN_RATE_LIMIT_PER_SECOND: '0',
    PAYLOAD_KEYS: randomBytes(32).toString('base64'),
    JOURNAL_DIR: path.join(dir, 'journal'),
    REDIS_URL: redis.url,
    QUEUE_PREFIX: redis.prefix,
    DATABASE_SCHEMA: database.schema,
    SHUTDOWN_DELAY_MS: '0',
  };
}

async function startService(
  settings: Readonly<Record<string, string>>,
  { database, opened }: { database: Database; opened: Opened },
): Promise<{ url: string; troubles: () => readonly string[] }> {
  const config = { ...loadConfig('all', settings), REDIS_URL: settings['REDIS_URL'] ?? '' };
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line.trim()) };
  const logger = createLogger({ level: 'error', role: 'demo', destination });
  const parts = { config, logger, metrics: createMetrics(), readiness: createReadiness() };
  const worker = await startWorker({ ...parts, database });
  opened.add(() => worker.close());
  const receiver = await startReceiver(parts);
  opened.add(() => receiver.close());
  return { url: receiver.url, troubles: () => lines };
}
