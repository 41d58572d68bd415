// What Redis says of its own settings, read from INFO: managed services forbid CONFIG. Nothing here changes a setting.
import { openProducerConnection, whenConnected, type RedisClient } from './connections.ts';

export interface RedisFacts {
  /** null: INFO did not say. */
  readonly version: string | null;
  /** What Redis does when it is full, such as `noeviction`. */
  readonly evictionPolicy: string | null;
  /** Whether an append-only file is kept. */
  readonly keepsAppendOnlyFile: boolean | null;
}

/** Whether Redis takes writes at this moment; null where INFO did not say. */
export interface RedisWrites {
  /** `master`, or `slave` for a replica. */
  readonly role: string | null;
  /** Of a replica: `up` or `down`. */
  readonly masterLink: string | null;
  readonly usedBytes: number | null;
  /** 0 where there is no limit. */
  readonly limitBytes: number | null;
  /** Of the append-only file and of the last snapshot: `ok` or `err`. */
  readonly appendOnlyStatus: string | null;
  readonly snapshotStatus: string | null;
}

export interface RedisConcern {
  readonly code: 'REDIS_EVICTS' | 'REDIS_NOT_PERSISTENT' | 'REDIS_SETTINGS_UNKNOWN';
  /** Workers do not run on it. */
  readonly isRefused: boolean;
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
    const info = await readInfo(client);
    return info === null ? null : parseRedisInfo(info);
  } finally {
    client.disconnect();
  }
}

/** null: Redis refused it. */
export async function readInfo(client: RedisClient): Promise<string | null> {
  try {
    return await client.info();
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

/** The lines of INFO are `name:value`; a server may leave any of them out. */
export function infoValues(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)]] : [];
    }),
  );
}

export function parseRedisInfo(text: string): RedisFacts {
  const values = infoValues(text);
  const appendOnly = values.get('aof_enabled');
  return {
    version: values.get('redis_version') ?? null,
    evictionPolicy: values.get('maxmemory_policy') ?? null,
    keepsAppendOnlyFile: appendOnly === undefined ? null : appendOnly === '1',
  };
}

export function parseRedisWrites(text: string): RedisWrites {
  const values = infoValues(text);
  const bytesOf = (name: string) => {
    const digits = values.get(name);
    return digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : null;
  };
  return {
    role: values.get('role') ?? null,
    masterLink: values.get('master_link_status') ?? null,
    usedBytes: bytesOf('used_memory'),
    limitBytes: bytesOf('maxmemory'),
    appendOnlyStatus: values.get('aof_last_write_status') ?? null,
    snapshotStatus: values.get('rdb_last_bgsave_status') ?? null,
  };
}

/**
 * What an operator should know. Only an eviction policy that is known endangers anything, and in production nothing runs
 * with it; as elsewhere when left out.
 */
export function redisConcerns(
  facts: RedisFacts | null,
  { isProduction }: { readonly isProduction: boolean } = { isProduction: false },
): RedisConcern[] {
  const { evictionPolicy, keepsAppendOnlyFile } = facts ?? {
    evictionPolicy: null,
    keepsAppendOnlyFile: null,
  };
  const concerns: RedisConcern[] = [];
  if (evictionPolicy !== null && evictionPolicy !== 'noeviction') {
    const problem = `maxmemory-policy is ${evictionPolicy}: a full Redis throws jobs away. Set it to noeviction`;
    concerns.push({ code: 'REDIS_EVICTS', isRefused: isProduction, problem });
  }
  if (keepsAppendOnlyFile === false) {
    const problem =
      'keeps no append-only file: after its end all jobs are made again from journal and Postgres. Set appendonly yes';
    concerns.push({ code: 'REDIS_NOT_PERSISTENT', isRefused: false, problem });
  }
  if (evictionPolicy === null || keepsAppendOnlyFile === null) {
    const problem =
      'does not say its maxmemory-policy or its persistence in INFO. See to it that they are noeviction and appendonly yes';
    concerns.push({ code: 'REDIS_SETTINGS_UNKNOWN', isRefused: false, problem });
  }
  return concerns;
}

/** An answer of the server's, as opposed to a connection that failed. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(ERR|NOPERM)\b/.test(error.message);
}
