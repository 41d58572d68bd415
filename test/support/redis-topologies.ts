// Redis where one server is not enough: three Sentinels over a primary and its replica, and a Cluster of three primaries.
// On the loopback, on ports and in folders of their own; what is started here is stopped by its pid.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { findRedisServer } from './engines-binaries.ts';
import { freePort } from './engines-processes.ts';
import { startPrivateRedis, type PrivateEngine } from './engines.ts';
import { eventually } from './eventually.ts';
import { startProcess, type RoleProcess } from './processes.ts';

const formTimeoutMs = 60_000;
/** What a service needs to be told nothing about its settings. */
const persistent = ['--appendonly', 'yes'];

/** CLUSTER ADDSLOTSRANGE and a port of one's own for the bus of a Cluster came with 7. */
export function hasRedis7(): boolean {
  const said = spawnSync(findRedisServer() ?? 'redis-server', ['--version'], { encoding: 'utf8' }).stdout;
  return Number(/v=(\d+)/.exec(said ?? '')?.[1] ?? 0) >= 7;
}

/** Asks one server; nothing is repeated or kept waiting. */
async function ask(port: number, command: readonly string[]): Promise<unknown> {
  const [name = '', ...args] = command;
  const client = new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: 0, enableReadyCheck: false });
  client.on('error', () => undefined);
  try {
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}

export interface WatchedRedis {
  /** REDIS_URL; the Sentinels in their order. */
  readonly url: string;
  readonly primary: PrivateEngine;
  readonly replica: PrivateEngine;
  /** Where the last of them says that the primary is. */
  primaryPort(): Promise<number>;
  /** `master` or `slave`. */
  roleOf(server: PrivateEngine): Promise<unknown>;
  /** The first of them takes connections from here on and never says a word. */
  freezeFirst(): void;
  close(): Promise<void>;
}

const masterName = 'lean';
const sentinelCount = 3;
/** A machine that others keep busy is no server that is gone. */
const downAfterMs = 3_000;

export async function startWatchedRedis(): Promise<WatchedRedis> {
  const primary = await startPrivateRedis({ args: persistent });
  const replica = await startPrivateRedis({
    args: [...persistent, '--replicaof', `127.0.0.1 ${primary.port}`],
  });
  const dir = mkdtempSync(path.join(tmpdir(), 'sentinels-'));
  const sentinels = await Promise.all(
    Array.from({ length: sentinelCount }, () => startSentinel(dir, primary.port)),
  );
  const close = async () => {
    for (const { process } of sentinels) process.kill('SIGKILL');
    await Promise.all(sentinels.map(({ process }) => process.exited));
    await Promise.all([primary.stop(), replica.stop()]);
    rmSync(dir, { recursive: true, force: true });
  };
  const ports = sentinels.map(({ port }) => port);
  try {
    await eventually(() => Promise.all(ports.map(expectToKnowAll)), { timeoutMs: formTimeoutMs });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/${masterName}`,
    primary,
    replica,
    async primaryPort() {
      const address = await ask(ports.at(-1) ?? 0, ['SENTINEL', 'get-master-addr-by-name', masterName]);
      return Array.isArray(address) ? Number(address[1]) : 0;
    },
    async roleOf({ port }) {
      const role = await ask(port, ['ROLE']);
      return Array.isArray(role) ? role[0] : role;
    },
    freezeFirst: () => sentinels[0]?.process.kill('SIGSTOP'),
    close,
  };
}

interface Sentinel {
  readonly port: number;
  readonly process: RoleProcess;
}

async function startSentinel(dir: string, primaryPort: number): Promise<Sentinel> {
  const port = await freePort();
  const file = path.join(dir, `${port}.conf`);
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `logfile ${path.join(dir, `${port}.log`)}`,
    `sentinel monitor ${masterName} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 10000`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const process = startProcess({
    command: [findRedisServer() ?? '', file, '--sentinel'],
    cwd: dir,
    env: {},
  });
  return { port, process };
}

/** Each other, and the replica. */
async function expectToKnowAll(port: number): Promise<void> {
  expect(await ask(port, ['SENTINEL', 'CKQUORUM', masterName])).toMatch(`OK ${sentinelCount} usable`);
  expect(await ask(port, ['SENTINEL', 'REPLICAS', masterName])).toHaveLength(1);
}

export interface RedisCluster {
  /** REDIS_URL with all three. */
  readonly url: string;
  /** The one with the keys of a prefix in braces. */
  ownerOf(prefix: string): Promise<PrivateEngine>;
  /** All of them say that every slot is served, or that one is not. */
  until(state: 'ok' | 'fail', among?: (node: PrivateEngine) => boolean): Promise<void>;
  close(): Promise<void>;
}

const slotRanges = [
  [0, 5_460],
  [5_461, 10_922],
  [10_923, 16_383],
] as const;

/** `tlsArgs`: TLS on that port, for clients and between the nodes; without it as it comes. */
export async function startRedisCluster(
  tlsArgs?: (port: number) => readonly string[],
): Promise<RedisCluster> {
  const nodes: Node[] = [];
  const close = async () => void (await Promise.all(nodes.map(({ engine }) => engine.stop())));
  try {
    for (const slots of slotRanges) nodes.push(await startNode(slots, tlsArgs));
    await introduce(nodes);
  } catch (error) {
    await close();
    throw error;
  }
  const until: RedisCluster['until'] = async (state, among = () => true) => {
    const asked = nodes.filter(({ engine }) => among(engine));
    await eventually(() => Promise.all(asked.map((node) => expectState(node, state))), {
      timeoutMs: formTimeoutMs,
    });
  };
  await until('ok');
  const scheme = tlsArgs === undefined ? 'redis' : 'rediss';
  return {
    url: nodes.map(({ clientPort }) => `${scheme}://127.0.0.1:${clientPort}`).join(','),
    async ownerOf(prefix) {
      const slot = Number(await ask(nodes[0]?.engine.port ?? 0, ['CLUSTER', 'KEYSLOT', prefix]));
      const owner = nodes.find(({ slots: [first, last] }) => first <= slot && slot <= last);
      if (owner === undefined) throw new Error(`nobody has slot ${slot}`);
      return owner.engine;
    },
    until,
    close,
  };
}

interface Node {
  readonly engine: PrivateEngine;
  readonly slots: readonly [first: number, last: number];
  /** Where a service connects to, and the other nodes introduce it. */
  readonly clientPort: number;
  readonly busPort: number;
}

async function startNode(
  slots: Node['slots'],
  tlsArgs: ((port: number) => readonly string[]) | undefined,
): Promise<Node> {
  const [tlsPort, busPort] = [await freePort(), await freePort()];
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '3000'];
  const bus = ['--cluster-port', String(busPort)];
  const tls = tlsArgs === undefined ? [] : [...tlsArgs(tlsPort), '--tls-cluster', 'yes'];
  const engine = await startPrivateRedis({ args: [...persistent, ...cluster, ...bus, ...tls] });
  return { engine, slots, busPort, clientPort: tlsArgs === undefined ? engine.port : tlsPort };
}

async function introduce(nodes: readonly Node[]): Promise<void> {
  for (const [index, { engine, slots }] of nodes.entries()) {
    await ask(engine.port, ['CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1)]);
    await ask(engine.port, ['CLUSTER', 'ADDSLOTSRANGE', ...slots.map(String)]);
  }
  const [first, ...others] = nodes;
  for (const { clientPort, busPort } of others) {
    const address = ['127.0.0.1', String(clientPort), String(busPort)];
    await ask(first?.engine.port ?? 0, ['CLUSTER', 'MEET', ...address]);
  }
}

async function expectState({ engine }: Node, state: 'ok' | 'fail'): Promise<void> {
  const info = String(await ask(engine.port, ['CLUSTER', 'INFO']));
  expect(info).toContain(`cluster_state:${state}`);
  expect(info).toContain(`cluster_known_nodes:${slotRanges.length}`);
}
