// What a worker makes of a Redis that is set up to lose jobs. The settings are read as managed services allow: from INFO.
import { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/observability/logger.ts';
import { parseRedisInfo, readRedisFacts, redisConcerns } from '../../src/queue/redis-facts.ts';
import { startRedisCheck, type RedisCheck } from '../../src/worker/redis-check.ts';
import { needsRealEngines, startPrivateRedis, type PrivateEngine } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** As managed services do, this one knows no CONFIG. */
async function startRedis(...args: string[]): Promise<PrivateEngine> {
  const redis = await startPrivateRedis({ args: [...args, '--rename-command', 'CONFIG', ''] });
  closers.push(() => redis.stop());
  return redis;
}

async function check(url: string, { isProduction = true } = {}) {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()));
      done();
    },
  });
  const logger = createLogger({ role: 'worker', level: 'info', destination });
  const started: RedisCheck = await startRedisCheck({ url, isProduction, logger, intervalMs: 50 });
  closers.push(() => started.close());
  return { check: started, codes: () => lines.map(({ failure_code: code }) => code) };
}

describe('a Redis without CONFIG', () => {
  it('that evicts is refused in production and a warning elsewhere', async (context) => {
    needsRealEngines(context, 'redis');
    const { url } = await startRedis('--appendonly', 'yes', '--maxmemory-policy', 'allkeys-lru');
    await expect(check(url)).rejects.toMatchObject({ code: 'REDIS_EVICTS' });
    const { codes } = await check(url, { isProduction: false });
    expect(codes()).toEqual(['REDIS_EVICTS']);
  });

  it('that keeps everything and writes it down is nothing to talk about', async (context) => {
    needsRealEngines(context, 'redis');
    const { url } = await startRedis('--appendonly', 'yes', '--maxmemory-policy', 'noeviction');
    const { codes, check: passed } = await check(url);
    expect(codes()).toEqual([]);
    expect(passed.state()).toEqual({ ok: true });
    expect(await readRedisFacts({ url, deadlineMs: 2_000 })).toMatchObject({
      evictionPolicy: 'noeviction',
      keepsAppendOnlyFile: true,
    });
  });

  it('without an append-only file is a warning with the cure', async (context) => {
    needsRealEngines(context, 'redis');
    const { url } = await startRedis('--maxmemory-policy', 'noeviction');
    expect((await check(url)).codes()).toEqual(['REDIS_NOT_PERSISTENT']);
  });

  it('whose user may not ask INFO either is a warning and no obstacle', async (context) => {
    needsRealEngines(context, 'redis');
    const { port, url } = await startRedis();
    const operator = new Redis(url);
    await operator.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '&*', '+@all', '-info');
    operator.disconnect();
    expect((await check(`redis://limited:secret@127.0.0.1:${port}`)).codes()).toEqual([
      'REDIS_SETTINGS_UNKNOWN',
    ]);
  });

  it('that was away at the start is looked at when it comes, and one that evicts turns the worker unready', async (context) => {
    needsRealEngines(context, 'redis');
    const redis = await startRedis('--appendonly', 'yes', '--maxmemory-policy', 'volatile-lru');
    await redis.kill('SIGKILL');
    const { check: started } = await check(redis.url);
    expect(started.state()).toEqual({ ok: true });
    await redis.restart();
    await eventually(() => expect(started.state()).toEqual({ ok: false, code: 'REDIS_EVICTS' }));
  });
});

describe('what INFO says', () => {
  it('may lack anything without being misread', () => {
    expect(parseRedisInfo('')).toEqual({ version: null, evictionPolicy: null, keepsAppendOnlyFile: null });
    const facts = parseRedisInfo('# Server\r\nredis_version:7.2.4\r\nmaxmemory_policy:noeviction\r\n');
    expect(facts).toEqual({ version: '7.2.4', evictionPolicy: 'noeviction', keepsAppendOnlyFile: null });
    expect(redisConcerns(facts).map(({ code }) => code)).toEqual(['REDIS_SETTINGS_UNKNOWN']);
  });
});
