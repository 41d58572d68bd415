// Private Redis and Postgres processes in one temporary folder, on free ports, never with anybody else's data.
// Everything started here is stopped by its own pid, also when this process exits by surprise.
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { findPostgresFolder, findRedisServer } from './engines-binaries.ts';

export interface EngineProcess {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Data folder; started again with the same one, an engine has its data back. */
  readonly folder: string;
}

export interface StartOptions {
  readonly args?: readonly string[] | undefined;
  /** Port and folder of an engine that was stopped, to start it again. */
  readonly port?: number | undefined;
  readonly folder?: string | undefined;
}

const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const startAttempts = 3;
const [lowestPort, highestPort] = [15_000, 32_000];
const portAttempts = 100;

export type EngineProcesses = ReturnType<typeof createEngineProcesses>;

export function createEngineProcesses() {
  const home = mkdtempSync(join(tmpdir(), 'lean-engines-'));
  // Postgres runs as another user below root's folder and must be able to pass through it.
  chmodSync(home, 0o711);
  const children = new Map<number, ChildProcess>();
  let folders = 0;
  let initialized: Promise<string> | undefined;

  const removeAll = () => {
    for (const child of children.values()) child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  process.once('exit', removeAll);

  const newFolder = (name: string) => {
    folders += 1;
    const folder = join(home, `${name}-${folders}`);
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  };
  /** Making an empty data folder takes a core for a second; a copy of one that nobody uses takes a tenth of that. */
  const newPostgresFolder = async (programs: string, owner: Owner) => {
    const folder = newFolder('postgres');
    initialized ??= initializeData({ programs, folder: newFolder('initialized'), owner });
    await promisify(execFile)('cp', ['-Rp', `${await initialized}/.`, folder]);
    return folder;
  };
  const track = (child: ChildProcess) => {
    const { pid } = child;
    if (pid === undefined) throw new Error('the engine has no process id');
    children.set(pid, child);
    child.once('exit', () => children.delete(pid));
    return pid;
  };

  return {
    home,

    async startRedis(options: StartOptions = {}): Promise<EngineProcess> {
      const program = findRedisServer();
      if (program === undefined) throw new Error('redis-server is not installed');
      const folder = options.folder ?? newFolder('redis');
      return withFreePort(options.port, async (port) => {
        const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder];
        const memoryOnly = ['--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
        const args = [...settings, ...memoryOnly, ...(options.args ?? [])];
        const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
        const pid = track(child);
        await untilLine(child, /Ready to accept connections/);
        return { url: `redis://127.0.0.1:${port}`, port, pid, folder };
      });
    },

    async startEmbeddedRedis(): Promise<EngineProcess> {
      const program = join(import.meta.dirname, '../../node_modules/js-redis-server/dist/cli.js');
      const child = spawn(process.execPath, [program, '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
      const pid = track(child);
      const port = Number((await untilLine(child, /listening at .*:(\d+)/))[1]);
      return { url: `redis://127.0.0.1:${port}`, port, pid, folder: home };
    },

    async startPostgres(options: StartOptions = {}): Promise<EngineProcess> {
      const programs = findPostgresFolder();
      if (programs === undefined) throw new Error('postgres is not installed');
      const owner = postgresOwner();
      const folder = options.folder ?? (await newPostgresFolder(programs, owner));
      return withFreePort(options.port, async (port) => {
        const settings = [
          'listen_addresses=127.0.0.1',
          `unix_socket_directories=${folder}`,
          'max_connections=200',
          'fsync=off',
          'synchronous_commit=off',
          'full_page_writes=off',
          'log_statement=none',
          ...(options.args ?? []),
        ].flatMap((setting) => ['-c', setting]);
        const child = spawn(join(programs, 'postgres'), ['-D', folder, '-p', String(port), ...settings], {
          stdio: ['ignore', 'pipe', 'pipe'],
          cwd: '/',
          ...owner,
        });
        const pid = track(child);
        await untilLine(child, /database system is ready to accept connections/);
        return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, port, pid, folder };
      });
    },

    /** Sends a signal to an engine started here; a signal that ends it is waited for. */
    async signal(pid: number, signal: NodeJS.Signals): Promise<void> {
      const child = children.get(pid);
      if (child === undefined) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await ended;
    },

    async close(): Promise<void> {
      await Promise.all([...children.values()].map(stop));
      process.removeListener('exit', removeAll);
      removeAll();
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  // A frozen process takes no other signal; Postgres leaves at once on SIGQUIT, and nobody needs its data.
  child.kill('SIGCONT');
  child.kill('SIGQUIT');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await ended;
  clearTimeout(timer);
}

interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root; then it runs as the user `postgres` that its package brought. */
export function postgresOwner(): Owner {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = [postgresId('-u'), postgresId('-g')];
  if (!(uid > 0) || !(gid > 0))
    throw new Error('as root Postgres runs as user postgres, which does not exist');
  return { uid, gid };
}

function postgresId(flag: '-u' | '-g'): number {
  return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
}

async function initializeData(data: {
  readonly programs: string;
  readonly folder: string;
  readonly owner: Owner;
}): Promise<string> {
  const { uid, gid } = data.owner;
  if (uid !== undefined && gid !== undefined) chownSync(data.folder, uid, gid);
  const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await promisify(execFile)(join(data.programs, 'initdb'), ['-D', data.folder, ...options], {
    cwd: '/',
    ...data.owner,
  });
  return data.folder;
}

/** Another process may take a port between the look and the start, so a start on a fresh port has a few attempts. */
async function withFreePort(
  fixedPort: number | undefined,
  start: (port: number) => Promise<EngineProcess>,
): Promise<EngineProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(fixedPort ?? (await freePort()));
    } catch (error) {
      if (fixedPort !== undefined || attempt === startAttempts) throw error;
    }
  }
}

/**
 * Below those that systems give to outgoing connections: none of these takes it before its server has it, nor while that
 * server is away and comes back.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < portAttempts; attempt += 1) {
    const port = randomInt(lowestPort, highestPort);
    if (await isFree(port)) return port;
  }
  throw new Error('no port is free');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** The first line of output that matches; fails with the last lines when the process ends or takes too long. */
async function untilLine(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  const lines: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`the engine ${reason}:\n${lines.slice(-10).join('\n')}`));
    };
    const timer = setTimeout(() => fail('did not start in time'), startTimeoutMs);
    child.once('error', (error) => fail(`cannot be run: ${error.message}`));
    child.once('exit', (code) => fail(`ended with ${code}`));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      // Read on for good: a full pipe would block the engine.
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.length < 200) lines.push(line);
        const match = pattern.exec(line);
        if (match === null) return;
        clearTimeout(timer);
        resolve(match);
      });
    }
  });
}
