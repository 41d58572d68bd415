// What is measured: our receiver as its real process, and beside it what one would run instead, each with a Redis of its
// own. Whatever is started here is stopped here.
import { randomBytes, randomUUID } from 'node:crypto';
import path from 'node:path';
import { Redis } from 'ioredis';
import { findRedisServer } from '../support/engines-binaries.ts';
import { createEngineProcesses, freePort, type EngineProcess } from '../support/engines-processes.ts';
import { createPki, writePki } from '../support/pki.ts';
import {
  launchDrain,
  launchEmptyWorker,
  launchOurs,
  launchPeer,
  launchSimulatedLean,
  peerSettings,
  type Grounds,
  type PeerName,
} from './launches.ts';
import type { LoadTarget } from './load-messages.ts';
import { startNginx } from './peers/limit-nginx.ts';
import type { PeerSettings } from './peers/peer-settings.ts';
import type { BenchContext } from './scenario.ts';
import { startLogged } from './started.ts';
import { untilForwarded } from './until-forwarded.ts';

export type SubjectName = 'ours' | 'limit-nginx' | PeerName;

export interface Subject {
  readonly name: string;
  readonly target: LoadTarget;
  /** Of the process that answers. */
  readonly pid: number;
  /** Its own; null where it has none. */
  readonly redis: EngineProcess | null;
  /** Waits for what it does behind its answers, and forgets what it only gathers, before another one is measured. */
  rest(): Promise<void>;
  close(): Promise<void>;
}

export interface SubjectOptions {
  /** In tables; its kind when left out. */
  readonly name?: string;
  /** A Redis that is there already; one of its own when left out. */
  readonly redis?: EngineProcess;
  /** The address by which it reaches that Redis, such as a proxy's; that of `redis` when left out. */
  readonly redisUrl?: string;
}

export interface TextbookOptions extends SubjectOptions {
  /** True: a worker takes its jobs out of Redis and does nothing with them; left out, they stay there. */
  readonly workedOff?: boolean;
}

export interface OursOptions extends SubjectOptions {
  /** Variables of the receiver beside those of production, or in their place. */
  readonly settings?: Readonly<Record<string, string>>;
  /** False: nothing takes its batches out of Redis; somebody's worker does. */
  readonly drained?: boolean;
  /** What deliveries go to, where a load balancer stands before it. */
  readonly before?: (receiverPort: number) => Promise<{ readonly url: string; close(): Promise<void> }>;
}

export interface OurSubject extends Subject {
  readonly redis: EngineProcess;
  /** Its operations listener. */
  readonly opsUrl: string;
}

export interface SubjectStage {
  readonly grounds: Grounds;
  readonly engines: ReturnType<typeof createEngineProcesses>;
  target(url: string): LoadTarget;
  /** With `--appendonly yes`, as queues are kept in production. */
  startRedis(): Promise<EngineProcess>;
  startOurs(options?: OursOptions): Promise<OurSubject>;
  startTextbook(options?: TextbookOptions): Promise<Subject>;
  /** Those of the names that this machine can run; the others are said to be left out. */
  start(...names: readonly SubjectName[]): Promise<Subject[]>;
  close(): Promise<void>;
}

/** Closes whatever was started, also when it went wrong. */
export async function withSubjects<Value>(
  context: BenchContext,
  use: (stage: SubjectStage) => Promise<Value>,
): Promise<Value> {
  const stage = await openSubjects(context);
  try {
    return await use(stage);
  } finally {
    await stage.close();
  }
}

export async function openSubjects({ folder, say }: BenchContext): Promise<SubjectStage> {
  const engines = createEngineProcesses();
  const closers: (() => Promise<unknown>)[] = [() => engines.close()];
  const grounds = await layGrounds(folder, closers);
  const startRedis = (): Promise<EngineProcess> =>
    findRedisServer() === undefined
      ? engines.startEmbeddedRedis()
      : engines.startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] });
  const target = (url: string): LoadTarget => targetOf(grounds, url);

  async function startOurs(options: OursOptions = {}): Promise<OurSubject> {
    const { name = 'ours', settings, drained = true } = options;
    const redis = options.redis ?? (await startRedis());
    const redisUrl = options.redisUrl ?? redis.url;
    const started = launchOurs(grounds, { redisUrl, ...(settings && { settings }) });
    const { url = '', opsUrl = '' } = await started.listening();
    const drain = drained ? launchDrain(grounds, redis.url) : null;
    await drain?.listening();
    const before = await options.before?.(Number(new URL(url).port));
    if (before) closers.push(() => before.close());
    return {
      name,
      target: target(before?.url ?? url),
      pid: started.pid,
      redis,
      opsUrl,
      rest: () => untilForwarded(opsUrl),
      close: async () => void (await Promise.all([started.kill(), drain?.kill()])),
    };
  }

  async function startPeer(
    name: PeerName,
    { shown, redis, ...settings }: PeerOptions = {},
  ): Promise<Subject> {
    const started = launchPeer(grounds, { name, ...settings });
    const { url = '' } = await started.listening();
    return {
      name: shown ?? name,
      target: target(url),
      pid: started.pid,
      redis: redis ?? null,
      rest: () => (redis === undefined ? Promise.resolve() : forgetAll(redis.url)),
      close: () => started.kill(),
    };
  }

  async function startTextbook(options: TextbookOptions = {}): Promise<Subject> {
    const { name, workedOff = false } = options;
    const redis = options.redis ?? (await startRedis());
    const { url } = redis;
    if (workedOff) await launchEmptyWorker(grounds, { url, ...textbookQueue }).listening();
    return startPeer('textbook', { ...(name && { shown: name }), redis, redisUrl: options.redisUrl ?? url });
  }

  async function startSample(): Promise<Subject> {
    const leanToken = randomUUID();
    const { url: leanUrl = '' } = await launchSimulatedLean(grounds, leanToken).listening();
    const { applicationCert: leanCertFile, applicationKey: leanKeyFile } = grounds.files;
    return startPeer('sample', { leanUrl, leanToken, leanCertFile, leanKeyFile });
  }

  async function startLimitNginx(): Promise<Subject | null> {
    const port = await freePort();
    const started = await startNginx({ ...peerSettings(grounds), port, folder });
    if (started === null) return null;
    closers.push(() => started.kill());
    return {
      name: 'limit-nginx',
      target: target(`https://127.0.0.1:${port}`),
      pid: started.pid,
      redis: null,
      rest: () => Promise.resolve(),
      close: () => started.kill(),
    };
  }

  function startNamed(name: SubjectName): Promise<Subject | null> {
    if (name === 'ours') return startOurs();
    if (name === 'limit-nginx') return startLimitNginx();
    if (name === 'textbook') return startTextbook();
    return name === 'sample' ? startSample() : startPeer(name);
  }

  return {
    grounds,
    engines,
    target,
    startRedis,
    startOurs,
    startTextbook,
    async start(...names) {
      const started = await Promise.all(names.map((name) => startNamed(name)));
      for (const [index, subject] of started.entries())
        if (subject === null) say(`${names[index]} is left out: its program is not on this machine`);
      return started.filter((subject) => subject !== null);
    },
    async close() {
      const problems: unknown[] = [];
      for (const close of closers.toReversed()) await close().catch((error: unknown) => problems.push(error));
      if (problems.length > 0) throw new AggregateError(problems, 'not everything was stopped');
    },
  };
}

/** The queue of peers/textbook.ts, and as many jobs at a time as our worker does. */
const textbookQueue = { queueName: 'webhooks', prefix: 'bull', concurrency: 16 };

interface PeerOptions extends Partial<PeerSettings> {
  readonly shown?: string;
  readonly redis?: EngineProcess;
}

async function layGrounds(folder: string, closers: (() => Promise<unknown>)[]): Promise<Grounds> {
  const pki = await createPki();
  return {
    folder,
    pki,
    files: await writePki(pki, path.join(folder, 'certificates')),
    secret: randomBytes(24).toString('hex'),
    payloadKey: randomBytes(32).toString('base64'),
    run(options) {
      const started = startLogged({ ...options, folder });
      closers.push(() => started.kill());
      return started;
    },
  };
}

/** As Lean calls a receiver at that address. */
function targetOf({ pki, secret }: Grounds, url: string): LoadTarget {
  const { chainPem: certPem, keyPem } = pki.lean.webhookClient;
  return { url: new URL('/webhooks/lean', url).href, caPem: pki.serverCaPem, certPem, keyPem, secret };
}

async function forgetAll(url: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 30_000 });
  redis.on('error', () => undefined);
  try {
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}
