// A receiver and a worker as real processes that belong together, in front of whatever Redis and Postgres a test has: their
// production settings and nothing else that helps them. Stops by pid what it starts.
import { sql } from 'kysely';
import { expect } from 'vitest';
import { z } from 'zod';
import { generateCustomers } from '../simulator/customers.ts';
import { eventually } from './eventually.ts';
import { openReceiverStage, type ReceiverStage, type ServingReceiver } from './faults-receiver.ts';
import { nodeCommand, root, runProcess, startProcess, type RoleProcess } from './processes.ts';
import { createWorkerWorld, type WorkerWorld } from './running-worker.ts';

type Env = Readonly<Record<string, string>>;

export interface ServedPair {
  readonly world: WorkerWorld;
  readonly stage: ReceiverStage;
  readonly receiver: ServingReceiver;
  readonly worker: RoleProcess;
  /** Of receiver and worker together, as one `.env`. */
  readonly env: Env;
  /** Another worker; not waited for. */
  startWorker(env: Env): RoleProcess;
  /** Each acknowledged delivery is in Postgres once and was acted on, and the journal is empty. */
  expectAllDone(receiver?: ServingReceiver): Promise<void>;
  /** Of the worker's `/readyz`. */
  expectReadiness(expected: { readonly status: number; readonly text: string }): Promise<void>;
  close(): Promise<void>;
}

interface PairOptions {
  /** That of all tests when left out. */
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
  /** Of both processes. */
  readonly env?: Env;
}

const startDeadlineMs = 60_000;
const settleTimeoutMs = 150_000;
const listeningSchema = z.looseObject({ opsUrl: z.url() });

export async function startPair({ redisUrl, databaseUrl, env: more = {} }: PairOptions): Promise<ServedPair> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  const startWorker = (env: Env): RoleProcess => {
    const command = nodeCommand('src/main-worker.ts');
    const worker = startProcess({ command, cwd: root, env: { ...env, OPS_PORT: '0' } });
    closers.push(() => {
      worker.kill('SIGKILL');
      return worker.exited;
    });
    return worker;
  };
  try {
    const world = await createWorkerWorld({
      customers: generateCustomers({ seed: 'served-pair', entities: 1 }),
      ...(databaseUrl !== undefined && { databaseUrl }),
      // Only the processes come there: what runs in that of the test need trust nobody else's authority.
      env: { ...(redisUrl !== undefined && { REDIS_URL: redisUrl }), ...more },
    });
    closers.push(() => world.close());
    const { REDIS_URL = '', QUEUE_PREFIX = '' } = world.env;
    const stage = await openReceiverStage({ REDIS_URL, QUEUE_PREFIX, ...more });
    closers.push(() => stage.close());
    const receiver = await stage.start();
    const worker = startWorker(world.env);
    const { opsUrl } = listeningSchema.parse(await worker.line('listening', startDeadlineMs));
    return {
      world,
      stage,
      receiver,
      worker,
      env: { ...stage.settings.env, ...world.env },
      startWorker,
      expectAllDone: (by = receiver) => expectAllDone({ world, stage, receiver: by }),
      expectReadiness: (expected) => expectReadiness(opsUrl, expected),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function expectAllDone({
  world: { test },
  stage,
  receiver,
}: Pick<ServedPair, 'world' | 'stage' | 'receiver'>): Promise<void> {
  const expected = Object.fromEntries(stage.sent.map(({ eventId }) => [eventId, 'processed once']));
  const { database, schema } = test;
  await eventually(
    async () => {
      const { rows } = await sql<{ event_key: string; fate: string }>`
        select event_key, state || case delivery_count when 1 then ' once' else ' again' end as fate
        from ${sql.table(`${schema}.webhook_events`)}`.execute(database.db);
      expect(Object.fromEntries(rows.map((row) => [row.event_key, row.fate]))).toEqual(expected);
      expect(await receiver.journalRows()).toBe(0);
    },
    { timeoutMs: settleTimeoutMs, everyMs: 200 },
  );
}

async function expectReadiness(
  opsUrl: string,
  expected: { readonly status: number; readonly text: string },
): Promise<void> {
  await eventually(
    async () => {
      const reply = await fetch(`${opsUrl}/readyz`);
      expect({ status: reply.status, text: await reply.text() }).toEqual({
        status: expected.status,
        text: expect.stringContaining(expected.text),
      });
    },
    { timeoutMs: settleTimeoutMs },
  );
}

const answerSchema = z.array(
  z.looseObject({
    check: z.string(),
    state: z.string(),
    code: z.string().nullable(),
    message: z.string(),
  }),
);

/** What the doctor says, in a process of its own, of the checks whose names begin so. */
export async function askDoctor(about: string, env: Env) {
  const command = nodeCommand('src/main-ops.ts');
  const { stdout } = await runProcess({ command: [...command, 'doctor', '--json'], cwd: root, env });
  return answerSchema.parse(JSON.parse(stdout)).filter(({ check }) => check.startsWith(about));
}

/** Of a Redis with which nothing is wrong. */
export const wellKeptRedis = [
  { check: 'redis', state: 'ok' },
  { check: 'redis writes', state: 'ok' },
  { check: 'redis settings', state: 'ok' },
];
