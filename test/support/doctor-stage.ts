// A whole deployment for `ops -- doctor` to look at: an environment of a receiver and a worker, a database, a simulated
// Lean and a public address; and the doctor itself, asked in this process.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { sql } from 'kysely';
import { expect } from 'vitest';
import { z } from 'zod';
import { giveGrants, workerGrants } from '../../src/store/grants.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { operate } from './operator.ts';
import { receiverSettings, type ReceiverSettings } from './receiver-settings.ts';
import { startTestServer, type TestServer, type VerifyMode } from './receiver-server.ts';
import { createWorkerWorld, type WorkerWorld } from './running-worker.ts';

export type Env = Readonly<Record<string, string>>;

const findingSchema = z.strictObject({
  check: z.string(),
  state: z.enum(['ok', 'warning', 'problem', 'skipped']),
  message: z.string(),
  cure: z.string().nullable(),
  code: z.string().nullable(),
});
type Finding = z.infer<typeof findingSchema>;

export interface Examined {
  readonly code: number;
  readonly findings: readonly Finding[];
  readonly of: (check: string) => readonly Finding[];
}

export interface DoctorStage {
  readonly settings: ReceiverSettings;
  readonly world: WorkerWorld;
  /** What PUBLIC_URL leads to. */
  readonly receiver: TestServer;
  /** A receiver and a worker in one environment, changed; an empty text takes a variable away. */
  both(changes?: Env): Env;
  /** Expects a cure on every line that needs one, and on no other. */
  examine(env: Env, ...argv: readonly string[]): Promise<Examined>;
  /** The one line of a check, and the exit code. */
  lineOf(check: string, env: Env): Promise<Partial<Finding> & { readonly exit: number }>;
  /** Another one to be PUBLIC_URL. */
  startPublic(mode: VerifyMode, pki?: ReceiverSettings['pki']): Promise<TestServer>;
  /** The port of somebody who takes every connection and never says a word. */
  startSilence(): Promise<number>;
  close(): Promise<void>;
}

export async function openDoctorStage(): Promise<DoctorStage> {
  const closers: (() => unknown)[] = [];
  const settings = await receiverSettings();
  closers.push(() => settings.remove());
  const world = await createWorkerWorld({ customers: generateCustomers({ seed: 'doctor', entities: 1 }) });
  closers.push(() => world.close());
  const startPublic: DoctorStage['startPublic'] = async (mode, pki = settings.pki) => {
    const server = await startTestServer({ mode, pki });
    closers.push(() => server.close());
    return server;
  };
  const receiver = await startPublic('certificate+signature');
  // An embedded database has no address: it is handed in wherever the environment names the usual one.
  const isEmbedded = (env: Env) =>
    world.test.url === undefined && env['DATABASE_URL'] === world.env['DATABASE_URL'];
  // The authority of our own server stands for a public one.
  const publicAuthorities = [settings.pki.serverCaPem];
  const ask: DoctorStage['examine'] = (env, ...argv) =>
    examine({ env, argv, publicAuthorities, world: isEmbedded(env) ? world : null });
  return {
    settings,
    world,
    receiver,
    both: (changes = {}) => ({
      ...settings.env,
      ...world.env,
      PUBLIC_URL: `${receiver.url}/webhooks/lean`,
      ...changes,
    }),
    examine: ask,
    async lineOf(check, env) {
      const { code, of } = await ask(env);
      const [line, ...more] = of(check);
      if (more.length > 0) throw new Error(`${check} has more than one line`);
      return { exit: code, ...line };
    },
    startPublic,
    async startSilence() {
      const { port, close } = await startSilence();
      closers.push(close);
      return port;
    },
    async close() {
      for (const close of closers.toReversed()) await close();
    },
  };
}

async function examine(asked: {
  env: Env;
  world: WorkerWorld | null;
  argv: readonly string[];
  publicAuthorities: readonly string[];
}): Promise<Examined> {
  const { env, world, argv, publicAuthorities } = asked;
  const database = world === null ? {} : { database: world.test.database };
  // All of it is there and answers, only perhaps not soon.
  const patience = argv.includes('--seconds') ? [] : ['--seconds', '60'];
  const { code, output } = await operate(['doctor', '--json', ...argv, ...patience], {
    env,
    publicAuthorities,
    ...database,
  });
  const findings = z.array(findingSchema).parse(JSON.parse(output));
  for (const { state, cure } of findings) expect(cure === null).toBe(state === 'ok' || state === 'skipped');
  return { code, findings, of: (check) => findings.filter((finding) => finding.check === check) };
}

async function startSilence() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  const sockets = new Set<{ destroy(): unknown }>();
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
  });
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A role of the database with what `npm run migrate` gives to workers. */
export async function createWorkersRole({
  world,
}: Pick<DoctorStage, 'world'>): Promise<{ url: string; drop(): Promise<unknown> }> {
  const { database, schema, url = '' } = world.test;
  const role = `doctor_${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  const run = (...statements: string[]) =>
    Promise.all(statements.map((text) => sql.raw(text).execute(database.db)));
  await run(`create role ${role} login password '${password}'`);
  await giveGrants(database, workerGrants(schema, role));
  const own = new URL(url);
  own.username = role;
  own.password = password;
  return {
    url: own.href,
    drop: async () => {
      await run(`drop owned by ${role}`);
      await run(`drop role ${role}`);
    },
  };
}
