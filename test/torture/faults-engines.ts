// What is done to Redis, to Postgres and to the ways there. Nothing here looks at what the service makes of it.
import { Client } from 'pg';
import type { Fault } from './fault.ts';
import { serviceRole, type Engine, type Stage } from './stage.ts';

export const redisFaults: readonly Fault[] = [
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
      try {
        await stage.askRedis('CONFIG', 'SET', 'maxmemory', '1mb');
        await hold(1_000, 5_000);
      } finally {
        await stage.askRedis('CONFIG', 'SET', 'maxmemory', '0');
      }
    },
  },
  {
    kind: 'redis read-only',
    on: 'redis',
    async run({ stage, hold }) {
      try {
        // A replica of nobody: keeps its data and refuses writes, as an old primary after a failover.
        await stage.askRedis('REPLICAOF', '127.0.0.1', '1');
        await hold(1_000, 5_000);
      } finally {
        await stage.askRedis('REPLICAOF', 'NO', 'ONE');
      }
    },
  },
  ...wayFaults('redis', ({ redisWay }) => redisWay),
];

export const postgresFaults: readonly Fault[] = [
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
        try {
          // Nobody but a superuser gets in; whoever of the service is in is thrown out.
          await client.query('alter database postgres connection limit 0');
          await client.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [
            serviceRole,
          ]);
          await hold(1_000, 4_000);
        } finally {
          await client.query('alter database postgres connection limit -1');
        }
      });
    },
  },
  {
    kind: 'postgres slow, then cut off',
    on: 'postgres',
    async run({ stage: { postgresWay }, hold }) {
      // Every answer is under way for long, so that the cut goes through the middle of transactions.
      postgresWay.delay(60);
      try {
        await hold(500, 2_000);
        postgresWay.cut();
        postgresWay.delay(0);
        await hold(200, 1_000);
      } finally {
        postgresWay.delay(0);
        await postgresWay.restore();
      }
    },
  },
  {
    kind: 'postgres away, and redis FLUSHALL',
    on: 'postgres',
    alsoOn: 'redis',
    async run({ stage, hold }) {
      // What was acknowledged meanwhile is in Redis and nowhere behind it.
      await stage.postgres.kill('SIGQUIT');
      try {
        await hold(1_000, 3_000);
        await stage.askRedis('FLUSHALL');
      } finally {
        await stage.postgres.restart();
      }
    },
  },
  ...wayFaults('postgres', ({ postgresWay }) => postgresWay),
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
