// A Redis that is well, slow, frozen or down, for as long as one measures. Breaks only what was started for it.
import { startTcpProxy } from '../support/tcp-proxy.ts';
import type { EngineProcess, EngineProcesses } from '../support/engines-processes.ts';

export const redisStates = ['healthy', 'slow', 'frozen', 'down'] as const;
export type RedisState = (typeof redisStates)[number];

export interface BreakableRedis {
  readonly redis: EngineProcess;
  /** Through a proxy, in every state alike. */
  readonly url: string;
  /** Healthy again when this is over. */
  during<Value>(state: RedisState, use: () => Promise<Value>): Promise<Value>;
  close(): Promise<void>;
}

/** Both ways together are the 50 ms of a Redis in another region. */
const slowOneWayMs = 25;

export async function openBreakableRedis(
  engines: EngineProcesses,
  redis: EngineProcess,
): Promise<BreakableRedis> {
  const way = await startTcpProxy({ port: redis.port });
  return {
    redis,
    url: `redis://${way.host}:${way.port}`,
    async during(state, use) {
      await breakRedis(state);
      try {
        return await use();
      } finally {
        await mend(state);
      }
    },
    close: () => way.close(),
  };

  async function breakRedis(state: RedisState): Promise<void> {
    if (state === 'slow') way.delay(slowOneWayMs);
    if (state === 'frozen') await engines.signal(redis.pid, 'SIGSTOP');
    if (state === 'down') way.cut();
  }

  async function mend(state: RedisState): Promise<void> {
    way.delay(0);
    if (state === 'frozen') await engines.signal(redis.pid, 'SIGCONT');
    if (state === 'down') await way.restore();
  }
}
