// Opens connections to Redis in the two kinds this service needs. A producer answers or fails in bounded time;
// a consumer waits for Redis however long it is away. Neither ever gives up reconnecting.
import { Cluster, Redis, type ClusterOptions, type RedisOptions as DriverOptions } from 'ioredis';
import { AppError } from '../core/app-error.ts';
import { withDeadline } from '../core/deadline.ts';
import { handshakeCodeOf } from '../core/handshake-code.ts';
import { parseRedisUrl, type RedisTarget } from './redis-url.ts';

export type RedisClient = Redis | Cluster;

type ClusterTarget = Extract<RedisTarget, { kind: 'cluster' }>;
type RedisOptions = Omit<DriverOptions, 'replyMapping'> & { readonly replyMapping: 'legacy' };

interface ProducerConnectionOptions {
  readonly url: string;
  /** Bound on any single command, milliseconds. */
  readonly deadlineMs: number;
}

const connectTimeoutMs = 5_000;
/** Half-open connections are found by the kernel's probes even where nobody writes. */
const keepAliveMs = 10_000;
/** Longer than any blocking read of ours (10 s), so silence for that long means a dead socket. */
const consumerSilenceMs = 25_000;
const reconnectDelayLimitMs = 2_000;
/** For a Cluster that was disconnected to be there again; who asked for it then asks anew. */
const clusterConnectMs = 10_000;
/** For a node to take a connection that only asks why another broke. */
const askWhyMs = 2_000;
/** For one Sentinel to say where the primary is; one that is frozen takes connections all the same. */
const sentinelAnswerMs = 2_000;
/** Operations that wait for the connection listen on it; how many run at a time is bounded by their callers. */
const waitingLimit = 1_000;
/** Why a connection is away, as long as it is: a server that only refuses us is no server that is gone. */
const lastErrors = new WeakMap<RedisClient, unknown>();

/** Throws CONFIG_INVALID. Never waits: with Redis away it comes back at once and connects later. */
export function openProducerConnection({ url, deadlineMs }: ProducerConnectionOptions): RedisClient {
  return open(parseRedisUrl(url), {
    ...common(),
    enableOfflineQueue: false,
    commandTimeout: deadlineMs,
    maxRetriesPerRequest: 1,
    // A write whose answer was lost is repeated by its caller, who knows whether it is still wanted.
    autoResendUnfulfilledCommands: false,
    // A frozen server would otherwise pile up every repeat in the socket's buffer.
    socketTimeout: deadlineMs * 2,
  });
}

/** Throws CONFIG_INVALID. Commands wait for Redis without bound, as BullMQ's consumers demand. */
export function openConsumerConnection(url: string): RedisClient {
  const client = open(parseRedisUrl(url), {
    ...common(),
    maxRetriesPerRequest: null,
    socketTimeout: consumerSilenceMs,
  });
  if (client instanceof Cluster) client.connect = settlingConnect(client);
  return client;
}

/**
 * Where the first try meets a Cluster that is down, the promise of the driver's own connect() never settles: each further
 * try has another. BullMQ awaits the first, and would wait for ever beside a client that is long ready. The driver itself
 * awaits none.
 */
function settlingConnect(client: Cluster): Cluster['connect'] {
  const connect = client.connect.bind(client);
  return async () => {
    const ready = Promise.withResolvers<void>();
    const onReady = () => ready.resolve();
    client.once('ready', onReady);
    try {
      await withDeadline(Promise.race([connect(), ready.promise]), {
        deadlineMs: clusterConnectMs,
        what: 'connecting to the Cluster',
      });
    } finally {
      client.off('ready', onReady);
    }
  };
}

function common(): RedisOptions {
  return {
    // BullMQ reads the older reply shapes, and every server and proxy speaks protocol 2.
    protocol: 2,
    replyMapping: 'legacy',
    connectTimeout: connectTimeoutMs,
    keepAlive: keepAliveMs,
    retryStrategy: reconnectDelayMs,
    // After a failover behind one address the old primary still answers, read-only: only a new connection helps.
    reconnectOnError: (error) => refusalWordOf(error) === 'READONLY',
  };
}

function open(target: RedisTarget, options: RedisOptions): RedisClient {
  const client = build(target, options);
  const nodes = target.kind === 'cluster' ? askWhy(target) : null;
  // The driver writes to stderr when nobody listens, and BullMQ stops listening while it closes. Whoever wants
  // to know listens as well.
  client.on('error', (error) => lastErrors.set(client, nodes?.reasonOf(error) ?? error));
  client.on('ready', () => {
    lastErrors.delete(client);
    nodes?.forget();
  });
  client.setMaxListeners(waitingLimit);
  return client;
}

/**
 * Why none of a Cluster's nodes can be used. Where their connections broke, the client only says that they are closed; one
 * of our own, made once at a time and beside it, to each node in its turn, meets the same and says more.
 */
function askWhy({ nodes, tls }: ClusterTarget) {
  let asking: Redis | null = null;
  let asked = 0;
  const reasons = new Map<object, Error>();

  function ask(): void {
    const node = nodes[asked % nodes.length];
    if (asking !== null || node === undefined) return;
    asked += 1;
    const once = new Redis({
      ...node,
      ...(tls ? { tls: tlsTo(node.host) } : {}),
      connectTimeout: askWhyMs,
      enableReadyCheck: false,
      retryStrategy: () => null,
    });
    asking = once;
    once.on('error', (error) => {
      if (asking === once) reasons.set(node, error);
    });
    once.once('connect', () => {
      reasons.delete(node);
      once.disconnect();
    });
    once.once('end', () => {
      if (asking === once) asking = null;
    });
  }

  return {
    reasonOf(error: Error): Error {
      const said =
        'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error;
      if (refusalWordOf(said) !== null || 'code' in said) return said;
      ask();
      const [why] = reasons.values();
      return why ?? said;
    },
    /** The next outage has reasons of its own. */
    forget(): void {
      asking = null;
      reasons.clear();
    },
  };
}

function build(target: RedisTarget, options: RedisOptions): RedisClient {
  const redisOptions: RedisOptions = {
    ...options,
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.db === undefined ? {} : { db: target.db }),
  };
  switch (target.kind) {
    case 'single': {
      const { host, port } = target;
      return new Redis({ ...redisOptions, host, port, ...(target.tls ? { tls: tlsTo(host) } : {}) });
    }
    case 'sentinel':
      return new Redis({
        ...redisOptions,
        sentinels: [...target.sentinels],
        name: target.master,
        sentinelRetryStrategy: reconnectDelayMs,
        sentinelCommandTimeout: sentinelAnswerMs,
      });
    case 'cluster':
      return new Cluster([...target.nodes], clusterOptions(target.tls, redisOptions));
  }
}

function clusterOptions(tls: boolean, redisOptions: RedisOptions) {
  return {
    clusterRetryStrategy: reconnectDelayMs,
    enableOfflineQueue: redisOptions.enableOfflineQueue ?? true,
    redisOptions: tls ? { ...redisOptions, tls: { minVersion: 'TLSv1.2' } } : redisOptions,
    // Certificates name hosts, not addresses: keep the names the cluster announces.
    ...(tls ? { dnsLookup: keepName } : {}),
  } satisfies ClusterOptions;
}

const keepName: NonNullable<ClusterOptions['dnsLookup']> = (address, callback) => callback(null, address);

function tlsTo(host: string): NonNullable<DriverOptions['tls']> {
  // A server name must be a name: addresses are checked against the certificate without one.
  const isAddress = host.includes(':') || /^[\d.]+$/.test(host);
  return isAddress ? { minVersion: 'TLSv1.2' } : { minVersion: 'TLSv1.2', servername: host };
}

function reconnectDelayMs(times: number): number {
  const limit = Math.min(50 * 2 ** Math.min(times, 10), reconnectDelayLimitMs);
  return Math.round(limit / 2 + (Math.random() * limit) / 2);
}

/** A Cluster's client that is only at `connect` refuses every command, or keeps it waiting. */
export function isConnected(client: RedisClient): boolean {
  return client.status === 'ready';
}

/** Resolves when commands can be sent; throws QUEUE_UNAVAILABLE after the deadline. */
export async function whenConnected(client: RedisClient, deadlineMs: number): Promise<void> {
  if (isConnected(client)) return;
  const connected = Promise.withResolvers<void>();
  const onReady = () => connected.resolve();
  client.once('ready', onReady);
  try {
    await withDeadline(connected.promise, { deadlineMs, what: 'connecting to Redis' });
  } catch (error) {
    const cause = lastErrors.get(client) ?? error;
    const why = handshakeOf(cause) ?? refusalOf(cause);
    throw new AppError('QUEUE_UNAVAILABLE', `Redis cannot be reached${why}`, { cause });
  } finally {
    client.off('ready', onReady);
  }
}

function handshakeOf(cause: unknown): string | null {
  const code = handshakeCodeOf(cause);
  return code === null ? null : `: no TLS with it, ${code}`;
}

/** Redis's own word for a refusal (OOM, READONLY, NOAUTH, LOADING, MOVED and so on); the rest of its text may quote us. */
export function refusalWordOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  // Before Redis 7 what refuses a script is quoted behind the script's own error.
  const inScript = /^ERR Error running script .*?-([A-Z]{2,16}) /.exec(error.message)?.[1];
  return inScript ?? /^[A-Z]{2,16}(?= )/.exec(error.message)?.[0] ?? null;
}

/** The same as the end of a message; empty when it was no refusal. */
export function refusalOf(error: unknown): string {
  const word = refusalWordOf(error);
  return word === null ? '' : `: Redis says ${word}`;
}
