// What Redis says of its own settings, read from INFO: managed services forbid CONFIG. Nothing here changes a setting.
import { openProducerConnection, whenConnected } from './connections.ts';

export interface RedisFacts {
  /** null: INFO did not say. */
  readonly version: string | null;
  /** What Redis does when it is full, such as `noeviction`. */
  readonly evictionPolicy: string | null;
  /** Whether an append-only file is kept. */
  readonly keepsAppendOnlyFile: boolean | null;
}

export interface RedisConcern {
  readonly code: 'REDIS_EVICTS' | 'REDIS_NOT_PERSISTENT' | 'REDIS_SETTINGS_UNKNOWN';
  /** What is so, and how to mend it. */
  readonly problem: string;
}

/** null: Redis refused INFO. Throws QUEUE_UNAVAILABLE when it could not be reached in time. */
export async function readRedisFacts({
  url,
  deadlineMs,
}: {
  url: string;
  deadlineMs: number;
}): Promise<RedisFacts | null> {
  const client = openProducerConnection({ url, deadlineMs });
  try {
    await whenConnected(client, deadlineMs);
    return parseRedisInfo(await client.info());
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  } finally {
    client.disconnect();
  }
}

/** The lines of INFO are `name:value`; a server may leave any of them out. */
export function parseRedisInfo(text: string): RedisFacts {
  const values = new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)]] : [];
    }),
  );
  const appendOnly = values.get('aof_enabled');
  return {
    version: values.get('redis_version') ?? null,
    evictionPolicy: values.get('maxmemory_policy') ?? null,
    keepsAppendOnlyFile: appendOnly === undefined ? null : appendOnly === '1',
  };
}

/** What an operator should know. Only an eviction policy that is known endangers anything. */
export function redisConcerns(facts: RedisFacts | null): RedisConcern[] {
  const { evictionPolicy, keepsAppendOnlyFile } = facts ?? {
    evictionPolicy: null,
    keepsAppendOnlyFile: null,
  };
  const concerns: RedisConcern[] = [];
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction') {
    const problem = `maxmemory-policy is ${evictionPolicy}: a full Redis throws jobs away. Set it to noeviction`;
    concerns.push({ code: 'REDIS_EVICTS', problem });
  }
  if (keepsAppendOnlyFile === false) {
    const problem =
      'keeps no append-only file: after its end all jobs are made again from journal and Postgres. Set appendonly yes';
    concerns.push({ code: 'REDIS_NOT_PERSISTENT', problem });
  }
  if (evictionPolicy === null || keepsAppendOnlyFile === null) {
    const problem =
      'does not say its maxmemory-policy or its persistence in INFO. See to it that they are noeviction and appendonly yes';
    concerns.push({ code: 'REDIS_SETTINGS_UNKNOWN', problem });
  }
  return concerns;
}

/** An answer of the server's, as opposed to a connection that failed. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(ERR|NOPERM)\b/.test(error.message);
}
