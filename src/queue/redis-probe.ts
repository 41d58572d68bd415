// How far away Redis is, whether it is a Cluster, and what it says of itself, for an operator who asks. Reads only.
import { openProducerConnection, whenConnected } from './connections.ts';
import { installationKey } from './queue-names.ts';
import {
  infoValues,
  parseRedisInfo,
  parseRedisWrites,
  readInfo,
  type RedisFacts,
  type RedisWrites,
} from './redis-facts.ts';
import { parseRedisUrl } from './redis-url.ts';

export interface RedisProbe {
  /** The fastest of a few: the others also tell how busy this process is. */
  readonly roundTripMs: number;
  /** Whose workers serve the prefix; null: nobody's yet. Undefined without a prefix. */
  readonly installationId?: string | null;
  /** REDIS_URL names the nodes of a Cluster. */
  readonly isClusterUrl: boolean;
  /** null: the server did not say. */
  readonly isClusterServer: boolean | null;
  /** null: Redis refused INFO. */
  readonly facts: RedisFacts | null;
  readonly writes: RedisWrites | null;
}

const roundTrips = 5;

/** Throws CONFIG_INVALID, QUEUE_UNAVAILABLE, or what Redis says. */
export async function probeRedis({
  url,
  prefix,
  deadlineMs,
}: {
  url: string;
  /** Not known where it is left out; then any node of a Cluster may answer. */
  prefix: string | undefined;
  deadlineMs: number;
}): Promise<RedisProbe> {
  const client = openProducerConnection({ url, deadlineMs });
  try {
    await whenConnected(client, deadlineMs);
    const took: number[] = [];
    let installationId: string | null | undefined;
    for (let trip = 0; trip < roundTrips; trip += 1) {
      const startedMs = performance.now();
      if (prefix === undefined) await client.ping();
      else installationId = await client.get(installationKey(prefix));
      took.push(performance.now() - startedMs);
    }
    const info = await readInfo(client);
    const isCluster = info === null ? undefined : infoValues(info).get('cluster_enabled');
    return {
      roundTripMs: Math.min(...took),
      ...(installationId !== undefined && { installationId }),
      isClusterUrl: parseRedisUrl(url).kind === 'cluster',
      isClusterServer: isCluster === undefined ? null : isCluster === '1',
      facts: info === null ? null : parseRedisInfo(info),
      writes: info === null ? null : parseRedisWrites(info),
    };
  } finally {
    client.disconnect();
  }
}
