// Everything that is done to the service while it works: one fault is applied, held for a while and healed again.
// Nothing here looks at what the service makes of it.
import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { Random } from '../simulator/random.ts';
import { issueLeaf } from '../support/pki.ts';
import type { Engine, Member, Stage } from './stage.ts';

export interface FaultContext {
  readonly stage: Stage;
  readonly random: Random;
  /** Waits for between `from` and `to` milliseconds, less when the time is up. */
  readonly hold: (fromMs: number, toMs: number) => Promise<void>;
}

export interface Fault {
  readonly kind: string;
  /** Among these only one at a time. */
  readonly on: 'receiver' | 'worker' | 'redis' | 'postgres' | 'lean' | 'network';
  /** Applies it, holds it and heals it; resolves when all is as before. */
  readonly run: (context: FaultContext) => Promise<void>;
}

const roleFaults: readonly Fault[] = (['receiver', 'worker'] as const).flatMap((role): Fault[] => {
  const anyOf = ({ stage, random }: FaultContext): Member =>
    random.pick(role === 'receiver' ? stage.receivers : stage.workers);
  return [
    {
      kind: `${role} SIGKILL`,
      on: role,
      async run(context) {
        const member = anyOf(context);
        member.process().kill('SIGKILL');
        await member.process().exited;
        await context.hold(0, 3_000);
        await member.start();
      },
    },
    {
      kind: `${role} SIGTERM`,
      on: role,
      async run(context) {
        const member = anyOf(context);
        member.process().kill('SIGTERM');
        const { code, signal } = await member.process().exited;
        if (code !== 0) throw new Error(`${member.name} ended with ${code ?? signal} on SIGTERM`);
        await member.start();
      },
    },
    {
      kind: `${role} frozen`,
      on: role,
      async run(context) {
        const process = anyOf(context).process();
        process.kill('SIGSTOP');
        await context.hold(500, 6_000);
        process.kill('SIGCONT');
      },
    },
  ];
});

/** Longer than a job's lock lasts, so that another worker takes the job over while the first still holds it. */
const workerPastLock: Fault = {
  kind: 'worker frozen past its locks',
  on: 'worker',
  async run({ stage, random, hold }) {
    const process = random.pick(stage.workers).process();
    process.kill('SIGSTOP');
    await hold(17_000, 22_000);
    process.kill('SIGCONT');
  },
};

const redisFaults: readonly Fault[] = [
  killed('redis', ({ redis }) => redis, 'SIGKILL'),
  frozen('redis', ({ redis }) => redis),
  {
    kind: 'redis FLUSHALL',
    on: 'redis',
    run: ({ stage }) => stage.askRedis('FLUSHALL'),
  },
  {
    kind: 'redis out of memory',
    on: 'redis',
    async run({ stage, hold }) {
      await stage.askRedis('CONFIG', 'SET', 'maxmemory', '1mb');
      await hold(1_000, 5_000);
      await stage.askRedis('CONFIG', 'SET', 'maxmemory', '0');
    },
  },
  {
    kind: 'redis read-only',
    on: 'redis',
    async run({ stage, hold }) {
      // A replica of nobody: keeps its data and refuses writes, as an old primary after a failover.
      await stage.askRedis('REPLICAOF', '127.0.0.1', '1');
      await hold(1_000, 5_000);
      await stage.askRedis('REPLICAOF', 'NO', 'ONE');
    },
  },
  ...wayFaults('redis', ({ redisWay }) => redisWay),
];

const postgresFaults: readonly Fault[] = [
  killed('postgres', ({ postgres }) => postgres, 'SIGQUIT'),
  killed('postgres', ({ postgres }) => postgres, 'SIGINT'),
  {
    kind: 'postgres sessions ended',
    on: 'postgres',
    run: ({ stage }) =>
      asSuperuser(stage, async (client) => {
        await client.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = $1',
          ['client backend'],
        );
      }),
  },
  {
    kind: 'postgres out of connections',
    on: 'postgres',
    async run({ stage, hold }) {
      await asSuperuser(stage, async (client) => {
        await client.query('create role bystander login');
        // Nobody but a superuser gets in; whoever is in is thrown out.
        await client.query('alter database postgres connection limit 0');
        try {
          await hold(1_000, 4_000);
        } finally {
          await client.query('alter database postgres connection limit -1');
          await client.query('drop role bystander');
        }
      });
    },
  },
  ...wayFaults('postgres', ({ postgresWay }) => postgresWay),
];

const leanFaults: readonly Fault[] = [
  leanFault('lean 500', { kind: 'error', httpStatus: 500, status: 'INTERNAL_SERVER_ERROR' }),
  leanFault('lean resets', { kind: 'reset' }),
  leanFault('lean half a body', { kind: 'bad-json' }),
  leanFault('lean 429', { kind: 'rate-limit', retryAfter: '1' }),
  leanFault('lean slow', { kind: 'delay', ms: 1_500 }),
];

const networkFaults: readonly Fault[] = [
  {
    kind: 'connections from Lean reset',
    on: 'network',
    async run({ stage }) {
      stage.balancer.reset();
    },
  },
  {
    kind: 'server certificate replaced',
    on: 'network',
    async run({ stage: { pki, files } }) {
      const sans = ['dns:localhost', 'ip:127.0.0.1'];
      const next = await issueLeaf({ issuer: pki.issuers.publicRoot, sans, eku: ['serverAuth'] });
      await replace(files.tlsKey, next.keyPem);
      await replace(files.tlsCert, next.chainPem);
    },
  },
];

export const allFaults: readonly Fault[] = [
  ...roleFaults,
  workerPastLock,
  ...redisFaults,
  ...postgresFaults,
  ...leanFaults,
  ...networkFaults,
];

function killed(on: 'redis' | 'postgres', engineOf: (stage: Stage) => Engine, signal: NodeJS.Signals): Fault {
  return {
    kind: `${on} ${signal}`,
    on,
    async run({ stage, hold }) {
      const engine = engineOf(stage);
      await engine.kill(signal);
      await hold(500, 5_000);
      await engine.restart();
    },
  };
}

function frozen(on: 'redis', engineOf: (stage: Stage) => Engine): Fault {
  return {
    kind: `${on} frozen`,
    on,
    async run({ stage, hold }) {
      const engine = engineOf(stage);
      await engine.kill('SIGSTOP');
      await hold(500, 6_000);
      await engine.kill('SIGCONT');
    },
  };
}

function wayFaults(on: 'redis' | 'postgres', wayOf: (stage: Stage) => Stage['redisWay']): Fault[] {
  return [
    {
      kind: `${on} cut off`,
      on,
      async run({ stage, hold }) {
        wayOf(stage).cut();
        await hold(500, 5_000);
        await wayOf(stage).restore();
      },
    },
    {
      kind: `${on} half-open`,
      on,
      async run({ stage, hold }) {
        wayOf(stage).freezeOpen();
        await hold(2_000, 8_000);
        await wayOf(stage).restore();
      },
    },
    {
      kind: `${on} slow`,
      on,
      async run({ stage, hold }) {
        wayOf(stage).delay(60);
        await hold(1_000, 5_000);
        wayOf(stage).delay(0);
      },
    },
  ];
}

function leanFault(kind: string, fault: Parameters<Stage['lean']['faults']['add']>[0]['fault']): Fault {
  return {
    kind,
    on: 'lean',
    async run({ stage, random, hold }) {
      stage.lean.faults.add({ fault, times: random.integer(1, 6) });
      await hold(500, 2_000);
    },
  };
}

async function asSuperuser(stage: Stage, run: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: stage.postgresUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await run(client);
  } finally {
    await client.end();
  }
}

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.next`, content, { mode: 0o600 });
  await rename(`${file}.next`, file);
}

/** One after the other, now and then two at a time, until the time is up. What could not be applied or healed is thrown. */
export async function unleash(options: {
  stage: Stage;
  random: Random;
  untilMs: number;
  onFault: (kind: string) => void;
}): Promise<void> {
  const { stage, random, untilMs, onFault } = options;
  const leftMs = (): number => Math.max(0, untilMs - performance.now());
  const hold = (fromMs: number, toMs: number): Promise<void> =>
    delay(Math.min(random.integer(fromMs, toMs), leftMs()));
  const context: FaultContext = { stage, random, hold };
  while (leftMs() > 0) {
    await hold(200, 2_000);
    if (leftMs() === 0) return;
    const first = random.pick(allFaults);
    const others = allFaults.filter(({ on }) => on !== first.on);
    const chosen = random.chance(0.25) ? [first, random.pick(others)] : [first];
    for (const { kind } of chosen) onFault(kind);
    await Promise.all(chosen.map((fault) => fault.run(context)));
  }
}
