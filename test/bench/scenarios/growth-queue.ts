// What one queue and one journal hold: jobs a second through Redis with the service's own settings, and what waiting costs
// in memory and on disk. Measured with a few thousand, told of 100,000.
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { openJournal } from '../../../src/journal/journal.ts';
import { openIntakeQueue } from '../../../src/queue/intake-queue.ts';
import type { JobVerdict } from '../../../src/queue/job-processor.ts';
import { startJobRunner } from '../../../src/queue/job-runner.ts';
import type { QueueName } from '../../../src/queue/queue-names.ts';
import { openEventQueue } from '../../../src/queue/work-queues.ts';
import { seal } from '../../../src/sealing/seal.ts';
import { findRedisServer } from '../../support/engines-binaries.ts';
import { createEngineProcesses } from '../../support/engines-processes.ts';
import { testKeyRing } from '../../support/worker-parts.ts';
import type { BenchContext, Figure, Scenario } from '../scenario.ts';

const told = 100_000;
const bodyBytes = 1_000;
const megabyte = 1_048_576;
/** As an intake job adds them. */
const jobsOfList = 256;
const concurrency = 16;
/** As queues are kept in production. */
const redisArgs = ['--appendonly', 'yes', '--appendfsync', 'everysec'];

export const growthQueue: Scenario = {
  name: 'growth-queue',
  title: 'One queue, one journal',
  async run(context) {
    if (findRedisServer() === undefined) {
      context.say('left out: Redis is not on this machine');
      return { figures: [], ratios: [] };
    }
    const processes = createEngineProcesses();
    try {
      const { url } = await processes.startRedis({ args: redisArgs });
      const redis = new Redis(url);
      try {
        const engine = { url, redis };
        const figures = [
          ...(await jobsThrough(engine, context)),
          ...(await memoryOfWaiting(engine, context)),
          ...(await journalOnDisk(context)),
        ];
        return { figures, ratios: [] };
      } finally {
        redis.disconnect();
      }
    } finally {
      await processes.close();
    }
  },
};

interface Engine {
  readonly url: string;
  readonly redis: Redis;
}

/** Event jobs, added and then done by one process whose handler does nothing. */
async function jobsThrough({ url, redis }: Engine, { quick, rounds }: BenchContext): Promise<Figure[]> {
  const jobs = quick ? 1_024 : 10_240;
  const added: number[] = [];
  const done: number[] = [];
  const engineMicroseconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await redis.flushall();
    const secondsBefore = await cpuSeconds(redis);
    added.push(await perSecond(jobs, () => addEvents(url, jobs)));
    done.push(await perSecond(jobs, () => workOff(url, empty(jobs))));
    engineMicroseconds.push((((await cpuSeconds(redis)) - secondsBefore) * 1_000_000) / jobs);
  }
  return [
    { subject: 'one queue', what: `jobs added, ${jobsOfList} at a time`, unit: 'jobs/s', rounds: added },
    { subject: 'one queue', what: `empty jobs done, ${concurrency} at a time`, unit: 'jobs/s', rounds: done },
    {
      subject: 'Redis',
      what: 'CPU of one job, added and done',
      unit: 'µs',
      rounds: engineMicroseconds,
    },
  ];
}

/** Of the one core that does all commands. */
async function cpuSeconds(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const [user, system] = ['user', 'sys'].map((kind) =>
    Number(new RegExp(`^used_cpu_${kind}_main_thread:([\\d.]+)`, 'm').exec(info)?.[1]),
  );
  return (user ?? Number.NaN) + (system ?? Number.NaN);
}

async function perSecond(many: number, run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return (many * 1_000) / (performance.now() - startedAt);
}

const prefix = '{bench}';

async function addEvents(url: string, many: number): Promise<void> {
  const queue = openEventQueue({ url, prefix });
  try {
    for (let start = 0; start < many; start += jobsOfList) {
      const keys = Array.from({ length: Math.min(jobsOfList, many - start) }, () => randomUUID());
      await queue.add(keys.map((eventKey) => ({ id: `ev_${eventKey}_0`, data: { eventKey } })));
    }
  } finally {
    await queue.close();
  }
}

const empty = (many: number): WorkOff => ({ queueName: 'webhook-events', many, verdict: { kind: 'done' } });

async function workOff(url: string, { queueName, many, verdict }: WorkOff): Promise<void> {
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let left = many;
  const runner = startJobRunner({
    queueName,
    url,
    prefix,
    concurrency,
    async handle() {
      left -= 1;
      if (left === 0) resolve();
      return verdict;
    },
  });
  await all;
  await runner.close();
}

interface WorkOff {
  readonly queueName: QueueName;
  readonly many: number;
  /** Of every job. */
  readonly verdict: JobVerdict;
}

async function memoryOfWaiting(engine: Engine, { quick }: BenchContext): Promise<Figure[]> {
  const { url, redis } = engine;
  const share = quick ? 10 : 1;
  const memory = async (what: string, many: number, fill: () => Promise<void>): Promise<Figure> => {
    await redis.flushall();
    const before = await usedBytes(redis);
    await fill();
    // What BullMQ tells listeners is bounded by itself, and would count for a hundred thousand.
    for (const queue of ['webhook-events', 'webhook-intake']) await redis.del(`${prefix}:${queue}:events`);
    const grown = (await usedBytes(redis)) - before;
    return {
      subject: 'Redis',
      what: `memory, 100,000 ${what}`,
      unit: 'MiB',
      rounds: [mebibytes(grown, many)],
    };
  };
  const events = 10_000 / share;
  const small = 5_000 / share;
  const full = 100 / share;
  return [
    await memory('waiting events', events, () => addEvents(url, events)),
    await memory('waiting batches of one delivery', small, () =>
      addBatches(url, { many: small, deliveries: 1 }),
    ),
    await memory('waiting batches of 256 deliveries', full, () =>
      addBatches(url, { many: full, deliveries: 256 }),
    ),
    await memory('stored batches, remembered for a day', small, async () => {
      await addBatches(url, { many: small, deliveries: 1 });
      const verdict = { kind: 'done', replaceData: { stored: true } } as const;
      await workOff(url, { queueName: 'webhook-intake', many: small, verdict });
    }),
  ];
}

const mebibytes = (bytes: number, many: number): number => (bytes / many) * (told / megabyte);

async function usedBytes(redis: Redis): Promise<number> {
  const used = /^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1];
  if (used === undefined) throw new Error('Redis does not say how much memory it uses');
  return Number(used);
}

async function addBatches(
  url: string,
  { many, deliveries }: { readonly many: number; readonly deliveries: number },
): Promise<void> {
  const queue = openIntakeQueue({ url, prefix });
  try {
    for (let batch = 0; batch < many; batch += 1) {
      const first = batch * deliveries + 1;
      const journalId = randomUUID();
      await queue.addBatch({
        journalId,
        first,
        last: first + deliveries - 1,
        deliveries: Array.from({ length: deliveries }, (_, index) => ({
          sequence: first + index,
          receivedAt: new Date().toISOString(),
          proof: 'signature' as const,
          sealed: seal(
            testKeyRing,
            { purpose: 'delivery', recordId: `${journalId}:${first + index}` },
            body(),
          ),
        })),
      });
    }
  } finally {
    await queue.close();
  }
}

const body = (): Uint8Array => Buffer.alloc(bodyBytes, 120);

/** What the file and its log use while nothing leaves it. */
async function journalOnDisk({ folder, quick }: BenchContext): Promise<Figure[]> {
  const many = quick ? 2_000 : 20_000;
  const together = 64;
  const journal = await openJournal({ dir: folder, limitBytes: 1_024 * megabyte, keyRing: testKeyRing });
  try {
    const before = journal.stats().bytes;
    const startedAt = performance.now();
    for (let start = 0; start < many; start += together) {
      const group = Array.from({ length: together }, () =>
        journal.append({ body: body(), receivedAt: new Date().toISOString(), proof: 'signature' }),
      );
      await Promise.all(group);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const bytes = journal.stats().bytes - before;
    return [
      {
        subject: 'journal',
        what: 'disk, 100,000 deliveries of 1 kB',
        unit: 'MiB',
        rounds: [mebibytes(bytes, many)],
      },
      {
        subject: 'journal',
        what: `deliveries written, ${together} at a time`,
        unit: '1/s',
        rounds: [many / seconds],
      },
    ];
  } finally {
    await journal.close();
  }
}
