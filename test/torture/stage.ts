// What is tortured: two receivers, two workers, Redis and Postgres as processes of their own, breakable ways between
// them, and Lean's API played by the simulator. Everything it starts it stops by pid.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { receiverSettings, workerSettings, type DeploymentParts } from '../support/deployment-settings.ts';
import { createEngineProcesses } from '../support/engines-processes.ts';
import { createPki, writePki, type Pki, type PkiPaths } from '../support/pki.ts';
import { runMigrate, startRole, type RoleProcess } from '../support/processes.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { startBalancer, type Balancer } from './balancer.ts';

/** A role that comes back as itself: a receiver with its journal and port. */
export interface Member {
  readonly name: string;
  /** The process that runs now. */
  readonly process: () => RoleProcess;
  /** Everything it ever said, over all its lives. */
  readonly lives: () => readonly RoleProcess[];
  /** Rejects once the stage closes. */
  readonly start: () => Promise<void>;
}

export interface Engine {
  kill(signal: NodeJS.Signals): Promise<void>;
  /** On the same port with the same data. */
  restart(): Promise<void>;
}

export interface Stage {
  readonly pki: Pki;
  readonly files: PkiPaths;
  readonly secret: string;
  /** Where Lean delivers to. */
  readonly webhookUrl: string;
  readonly receivers: readonly Member[];
  readonly workers: readonly Member[];
  readonly redis: Engine;
  readonly postgres: Engine;
  readonly redisWay: TcpProxy;
  readonly postgresWay: TcpProxy;
  readonly balancer: Balancer;
  readonly lean: LeanServer;
  /** Past the breakable way, as this one. */
  readonly postgresUrl: string;
  readonly database: Database;
  /** One command to Redis, past the breakable way; tried again when it fails. */
  askRedis(...command: [string, ...string[]]): Promise<void>;
  close(): Promise<void>;
}

export async function openStage(options: { customers: SimulatedCustomers }): Promise<Stage> {
  const ending: Ending = { closers: [], isClosing: false };
  const close = async (): Promise<void> => {
    ending.isClosing = true;
    for (const one of ending.closers.toReversed()) await one();
  };
  try {
    return { ...(await raise(options.customers, ending)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Ending {
  readonly closers: (() => Promise<unknown>)[];
  /** From now on no role is started: nobody would end it. */
  isClosing: boolean;
}

const schema = 'lean';
/** No superuser, as in production: what shuts others out of Postgres shuts it out. */
export const serviceRole = 'service';
const askAttempts = 3;

async function raise(customers: SimulatedCustomers, ending: Ending): Promise<Omit<Stage, 'close'>> {
  const { closers } = ending;
  const dir = await mkdtemp(path.join(tmpdir(), 'lean-torture-'));
  closers.push(() => rm(dir, { recursive: true, force: true }));
  const pki = await createPki();
  const files = await writePki(pki, path.join(dir, 'certificates'));
  const engines = createEngineProcesses();
  closers.push(() => engines.close());
  const redisArgs = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
  const redis = await restartable(engines, 'startRedis', redisArgs);
  // It answers a commit before that is written, as long as it is told nothing else: the service has to.
  const postgres = await restartable(engines, 'startPostgres', ['synchronous_commit=off']);
  const redisWay = await startTcpProxy({ port: redis.port });
  closers.push(() => redisWay.close());
  const postgresWay = await startTcpProxy({ port: postgres.port });
  closers.push(() => postgresWay.close());
  const appToken = randomUUID();
  const lean = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
  closers.push(() => lean.close());
  const parts: DeploymentParts = {
    files,
    dir,
    appToken,
    schema,
    secret: randomBytes(24).toString('hex'),
    payloadKey: randomBytes(32).toString('base64'),
    redisUrl: through(redis.url, redisWay),
    databaseUrl: through(postgres.url, { port: postgresWay.port, user: serviceRole }),
    leanUrl: lean.url,
  };
  const database = openDatabase({
    schema,
    dialect: postgresDialect({
      url: postgres.url,
      poolSize: 2,
      applicationName: 'torture',
      onIdleError: () => undefined,
    }),
  });
  closers.push(() => database.close());
  await sql`create role ${sql.id(serviceRole)} login`.execute(database.db);
  await sql`grant create on database postgres to ${sql.id(serviceRole)}`.execute(database.db);
  await runMigrate(workerSettings(parts));
  const members = await startMembers(parts, ending);
  const balancer = await startBalancer(() => members.receivers.map(({ port }) => port()));
  closers.push(() => balancer.close());
  return {
    pki,
    files,
    secret: parts.secret,
    webhookUrl: `https://127.0.0.1:${balancer.port}/webhooks/lean`,
    ...members,
    redis,
    postgres,
    redisWay,
    postgresWay,
    balancer,
    lean,
    postgresUrl: postgres.url,
    database,
    async askRedis(...command) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await askOnce(redis.url, command);
        } catch (error) {
          if (attempt === askAttempts) throw error;
        }
      }
    },
  };
}

async function askOnce(url: string, [command, ...args]: [string, ...string[]]): Promise<void> {
  const connection = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 5_000 });
  connection.on('error', () => undefined);
  try {
    await connection.call(command, ...args);
  } finally {
    connection.disconnect();
  }
}

/** The same address over another port, and as somebody else where that is said. */
function through(url: string, { port, user }: { readonly port: number; readonly user?: string }): string {
  const changed = new URL(url);
  changed.port = String(port);
  if (user !== undefined) changed.username = user;
  return changed.href;
}

async function restartable(
  engines: ReturnType<typeof createEngineProcesses>,
  start: 'startRedis' | 'startPostgres',
  args: readonly string[],
): Promise<Engine & { url: string; port: number }> {
  const first = await engines[start]({ args });
  const { url, port, folder } = first;
  let { pid } = first;
  return {
    url,
    port,
    kill: (signal) => engines.signal(pid, signal),
    async restart() {
      ({ pid } = await engines[start]({ args, port, folder }));
    },
  };
}

async function startMembers(
  parts: DeploymentParts,
  ending: Ending,
): Promise<{ receivers: (Member & { port: () => number })[]; workers: Member[] }> {
  const receivers = ['receiver-1', 'receiver-2'].map((name) => {
    let port = 0;
    const member = createMember({ name, ending }, () => {
      const process = startRole('receiver', { ...receiverSettings(parts, name), PORT: String(port) });
      return {
        process,
        async listening() {
          port = Number(new URL(String((await process.line('listening'))['url'])).port);
        },
      };
    });
    return Object.assign(member, { port: () => port });
  });
  const workers = ['worker-1', 'worker-2'].map((name) =>
    createMember({ name, ending }, () => {
      const process = startRole('worker', workerSettings(parts));
      return { process, listening: async () => void (await process.line('listening')) };
    }),
  );
  const all = [...receivers, ...workers];
  const lives = (): RoleProcess[] => all.flatMap((member) => member.lives());
  const killAll = (): void => {
    for (const life of lives()) life.kill('SIGKILL');
  };
  // Also when this process ends in the middle of it all.
  process.once('exit', killAll);
  ending.closers.push(async () => {
    killAll();
    await Promise.all(lives().map(({ exited }) => exited));
    process.off('exit', killAll);
  });
  for (const member of all) await member.start();
  return { receivers, workers };
}

/** A worker does not start without Postgres; a supervisor would try again, and so does this. */
const startDeadlineMs = 90_000;
const startAgainAfterMs = 500;

function createMember(
  { name, ending }: { readonly name: string; readonly ending: Ending },
  begin: () => { process: RoleProcess; listening: () => Promise<void> },
): Member {
  const lives: RoleProcess[] = [];
  return {
    name,
    lives: () => lives,
    process() {
      const current = lives.at(-1);
      if (current === undefined) throw new Error(`${name} was never started`);
      return current;
    },
    async start() {
      const deadline = performance.now() + startDeadlineMs;
      for (;;) {
        if (ending.isClosing) throw new Error(`${name} is not started any more: all comes to an end`);
        const { process, listening } = begin();
        lives.push(process);
        try {
          return await listening();
        } catch (error) {
          if (performance.now() > deadline) throw error;
          // It may be late and not dead, and two of one name keep each other out.
          process.kill('SIGKILL');
          await process.exited;
          await delay(startAgainAfterMs);
        }
      }
    },
  };
}
