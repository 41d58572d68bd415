// Reads REDIS_URL into what the driver needs: one server, Cluster nodes, or Sentinels and a master's name.
// No message ever quotes the address: it may hold a password.
import { AppError } from '../core/app-error.ts';

interface Access {
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly tls: boolean;
}
interface Node {
  readonly host: string;
  readonly port: number;
}
export type RedisTarget = Access &
  (
    | ({ readonly kind: 'single' } & Node)
    | { readonly kind: 'cluster'; readonly nodes: readonly Node[] }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly Node[]; readonly master: string }
  );

const redisPort = 6379;
const sentinelPort = 26_379;

/**
 * `redis://[user:password@]host[:port][/db]`, `rediss://…`; several with commas = Cluster (the scheme may be
 * written once); `sentinel://[user:password@]host[:port],…/master[/db]`, the credentials being those of Redis.
 * Throws CONFIG_INVALID.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const [scheme = '', rest = ''] = url.split('://', 2);
  if (scheme === 'sentinel') return parseSentinelUrl(url.slice('sentinel://'.length));
  if ((scheme !== 'redis' && scheme !== 'rediss') || rest === '') throw invalid();
  const parts = url.split(',').map((part) => parseNode(part.includes('://') ? part : `${scheme}://${part}`));
  const first = parts[0];
  if (first === undefined || parts.some((part) => part.scheme !== scheme)) throw invalid();
  const tls = scheme === 'rediss';
  if (parts.length === 1) {
    const database = first.path === '' ? {} : { db: parseDatabase(first.path) };
    return {
      kind: 'single',
      host: first.host,
      port: first.port ?? redisPort,
      ...first.login,
      ...database,
      tls,
    };
  }
  const login = parts.find((part) => part.login.password !== undefined)?.login ?? {};
  const nodes = parts.map(({ host, port }) => ({ host, port: port ?? redisPort }));
  return { kind: 'cluster', nodes, ...login, tls };
}

function parseSentinelUrl(rest: string): RedisTarget {
  const [authority = '', master = '', db] = rest.split('/');
  if (master === '') throw invalid();
  const at = authority.lastIndexOf('@');
  const login = at === -1 ? {} : parseNode(`redis://${authority.slice(0, at)}@login`).login;
  const sentinels = authority
    .slice(at + 1)
    .split(',')
    .map((part) => {
      const { host, port } = parseNode(`redis://${part}`);
      return { host, port: port ?? sentinelPort };
    });
  const database = db === undefined ? {} : { db: parseDatabase(db) };
  return {
    kind: 'sentinel',
    sentinels,
    master: decodeURIComponent(master),
    ...login,
    ...database,
    tls: false,
  };
}

function parseNode(text: string) {
  if (!URL.canParse(text)) throw invalid();
  const { protocol, hostname, port, username, password, pathname } = new URL(text);
  if (hostname === '') throw invalid();
  return {
    scheme: protocol.slice(0, -1),
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? undefined : Number(port),
    path: pathname.replace(/^\//, ''),
    login: {
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    },
  };
}

function parseDatabase(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw invalid();
  return Number(text);
}

function invalid(): AppError {
  return new AppError(
    'CONFIG_INVALID',
    'REDIS_URL is none of redis://…, rediss://…, a comma-separated list of them, sentinel://host:port,…/name',
  );
}
