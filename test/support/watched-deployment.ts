// A deployment whose every word is kept: receiver and worker as processes, Redis and Postgres of its own that ask for
// passwords, Lean played by the simulator. For tests that search what was written. Stops by pid what it starts.
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { z } from 'zod';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { receiverSettings, workerSettings } from './deployment-settings.ts';
import { startPrivatePostgres, startPrivateRedis, type PrivateEngine } from './engines.ts';
import { testPki, writePki, type Pki, type PkiPaths } from './pki.ts';
import { runMigrate, startRole, type Role, type RoleProcess } from './processes.ts';

export interface DeploymentSecrets {
  readonly appToken: string;
  readonly webhookSecret: string;
  readonly databasePassword: string;
  readonly redisPassword: string;
  /** Base64 of 32 bytes. */
  readonly payloadKey: string;
  readonly opsToken: string;
}

type Settings = Readonly<Record<string, string>>;

export interface WatchedDeployment {
  readonly pki: Pki;
  readonly files: PkiPaths;
  /** Also holds the journal, in `journal`. */
  readonly dir: string;
  readonly schema: string;
  readonly lean: LeanServer;
  readonly redis: PrivateEngine;
  /** As the owner of everything, past the service's role. */
  readonly database: Database;
  readonly settings: Readonly<Record<Role, Settings>>;
  /** Everything that was started here, in order. */
  readonly processes: readonly { readonly role: Role; readonly process: RoleProcess }[];
  /** Resolves when it listens. */
  start(role: Role, changes?: Settings): Promise<Serving>;
  close(): Promise<void>;
}

export interface Serving {
  readonly process: RoleProcess;
  /** Without a path; empty for a worker. */
  readonly url: string;
  readonly opsUrl: string;
}

const secret = () => randomBytes(18).toString('hex');

export function randomSecrets(): DeploymentSecrets {
  return {
    appToken: secret(),
    webhookSecret: secret(),
    databasePassword: secret(),
    redisPassword: secret(),
    payloadKey: randomBytes(32).toString('base64'),
    opsToken: secret(),
  };
}

const addresses = z.looseObject({ url: z.url().optional(), opsUrl: z.url() });
const schema = 'lean';
const role = 'service';

export async function startWatchedDeployment(options: {
  readonly customers: SimulatedCustomers;
  readonly secrets: DeploymentSecrets;
  /** Takes the place of the certificates of the run. */
  readonly pki?: Pki;
}): Promise<WatchedDeployment> {
  const { customers, secrets, pki = await testPki() } = options;
  const { appToken, webhookSecret, databasePassword, redisPassword, payloadKey } = secrets;
  const dir = await mkdtemp(path.join(tmpdir(), 'lean-watched-'));
  const files = await writePki(pki, path.join(dir, 'certificates'));
  const redis = await startPrivateRedis({ args: ['--requirepass', redisPassword, '--appendonly', 'yes'] });
  const { postgres, database } = await startGuardedPostgres(dir, databasePassword);
  const lean = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  const parts = {
    files,
    secret: webhookSecret,
    appToken,
    payloadKey,
    redisUrl: `redis://:${redisPassword}@127.0.0.1:${redis.port}`,
    databaseUrl: `postgres://${role}:${databasePassword}@127.0.0.1:${postgres.port}/postgres`,
    schema,
    leanUrl: lean.url,
    dir,
  };
  const settings = { receiver: receiverSettings(parts), worker: workerSettings(parts) };
  await runMigrate(settings.worker);
  const processes: { role: Role; process: RoleProcess }[] = [];
  return {
    pki,
    files,
    dir,
    schema,
    lean,
    redis,
    database,
    settings,
    processes,
    async start(started, changes = {}) {
      const process = startRole(started, { PORT: '0', ...settings[started], ...changes });
      processes.push({ role: started, process });
      const { url, opsUrl } = addresses.parse(await process.line('listening'));
      return { process, url: url === undefined ? '' : new URL(url).origin, opsUrl };
    },
    async close() {
      for (const { process } of processes) process.kill('SIGKILL');
      await Promise.all(processes.map(({ process }) => process.exited));
      await lean.close();
      await database.close();
      await postgres.stop();
      await redis.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Postgres asks the service's role for its password, as a real one does, and lets the test in without. */
async function startGuardedPostgres(dir: string, password: string) {
  const rules = path.join(dir, 'pg_hba.conf');
  await chmod(dir, 0o755);
  await writeFile(rules, `host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n`);
  const postgres = await startPrivatePostgres({ args: [`hba_file=${rules}`] });
  const dialect = postgresDialect({
    url: postgres.url,
    poolSize: 2,
    applicationName: 'test',
    onIdleError: () => undefined,
  });
  const database = openDatabase({ dialect, schema });
  await sql`create role ${sql.id(role)} login password ${sql.lit(password)}`.execute(database.db);
  await sql`grant create on database postgres to ${sql.id(role)}`.execute(database.db);
  return { postgres, database };
}
