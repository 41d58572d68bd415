// The demo's Redis: an embedded one, or the one of REDIS_URL behind a proxy of the demo's own, so that cutting the way
// harms nobody else. Whatever the demo wrote under its prefix is gone afterwards.
import { Redis } from 'ioredis';
import { startEmbeddedRedis } from '../../src/embedded/embedded-redis.ts';
import { forgetKeys } from '../support/redis-keys.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

export interface DemoRedis {
  /** Leads through `way`; user, password and database are those of REDIS_URL. */
  readonly url: string;
  readonly prefix: string;
  readonly way: TcpProxy;
  close(): Promise<void>;
}

const defaultPort = 6379;
const commandTimeoutMs = 3_000;

export async function openDemoRedis(options: {
  url: string | undefined;
  prefix: string;
}): Promise<DemoRedis> {
  const { url: given, prefix } = options;
  if (given !== undefined && !/^redis:\/\/[^,]+$/.test(given)) {
    throw new Error('the demo wants one plain redis:// address in REDIS_URL, or none: it cuts the way to it');
  }
  const embedded = given === undefined ? await startEmbeddedRedis() : null;
  const target = new URL(embedded?.url ?? given ?? '');
  await withRedis(target.href, (redis) => redis.ping());
  const way = await startTcpProxy({ host: target.hostname, port: Number(target.port || defaultPort) });
  const through = new URL(target);
  through.hostname = way.host;
  through.port = String(way.port);
  return {
    url: through.href,
    prefix,
    way,
    async close() {
      await way.close();
      if (embedded === null) await withRedis(target.href, (redis) => forgetKeys(redis, prefix));
      else await embedded.close();
    },
  };
}

async function withRedis<Value>(url: string, use: (redis: Redis) => Promise<Value>): Promise<Value> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: commandTimeoutMs });
  let reason = '';
  redis.on('error', (error) => {
    reason = error.message;
  });
  try {
    return await use(redis);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`the Redis of REDIS_URL refuses: ${reason === '' ? said : reason}`, { cause: error });
  } finally {
    redis.disconnect();
  }
}
