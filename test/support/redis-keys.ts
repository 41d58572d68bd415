// Takes away what a test or the demo wrote into a Redis that is somebody's, and nothing else.
import type { Redis } from 'ioredis';

const keysAtATime = 500;

/** Removes every key under the queue prefix, a few hundred at a time, so that the server goes on serving. */
export async function forgetKeys(redis: Redis, prefix: string): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', keysAtATime);
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== '0');
}
