// The engines that every other integration test stands on.
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterAll, describe, expect, it } from 'vitest';
import {
  engines,
  needsRealEngines,
  openTestDatabase,
  startPrivatePostgres,
  startPrivateRedis,
} from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';

const clients: Redis[] = [];
function connect(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 1, retryStrategy: () => 20 });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}
afterAll(() => {
  for (const client of clients) client.disconnect();
});

describe('the engines of a test run', () => {
  it('answer, Redis and Postgres', async () => {
    await expect(connect(engines.redisUrl).ping()).resolves.toBe('PONG');
    const opened = await openTestDatabase({ migrated: false });
    const { rows } = await sql<{ one: number }>`select 1 as one`.execute(opened.database.db);
    expect(rows).toEqual([{ one: 1 }]);
    await opened.drop();
  });

  it('give every test a migrated schema of its own', async () => {
    const [left, right] = await Promise.all([openTestDatabase(), openTestDatabase()]);
    expect(left.schema).not.toBe(right.schema);
    for (const { database } of [left, right])
      await expect(database.db.selectFrom('webhook_events').selectAll().execute()).resolves.toEqual([]);
    await left.drop();
    await right.drop();
  });

  it('let a private Redis be killed, started again with its data, frozen and thawed', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startPrivateRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
    const client = connect(redis.url);
    await client.set('kept', 'yes');
    await redis.kill('SIGKILL');
    await redis.restart();
    await expect(eventually(() => client.get('kept'))).resolves.toBe('yes');
    await redis.kill('SIGSTOP');
    const answer = client.get('kept');
    await redis.kill('SIGCONT');
    await expect(answer).resolves.toBe('yes');
    await redis.stop();
  });

  it('let a private Postgres be killed and started again', async (context) => {
    needsRealEngines(context, 'postgres');
    const postgres = await startPrivatePostgres();
    const firstPid = postgres.pid();
    await postgres.kill('SIGKILL');
    await postgres.restart();
    expect(postgres.pid()).not.toBe(firstPid);
    await postgres.stop();
  });
});
