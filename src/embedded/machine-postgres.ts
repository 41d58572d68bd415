// Runs the machine's own `postgres` for development, on a Unix socket in the project's folder, never on a port.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import path, { delimiter, join } from 'node:path';

export interface MachinePostgres {
  /** A `postgresql://` URL over the Unix socket. */
  readonly url: string;
  close(): Promise<void>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

const programs = ['initdb', 'postgres', 'pg_isready'];
const startDeadlineMs = 20_000;
const stopDeadlineMs = 20_000;
const pollMs = 50;

/** The folder that holds the programs we need, also where Debian hides it; null when there is none. */
export function findPostgresBinaries(searchPath: string): string | null {
  const debian = '/usr/lib/postgresql';
  const packaged = existsSync(debian)
    ? readdirSync(debian)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(debian, version, 'bin'))
    : [];
  const folders = [...searchPath.split(delimiter), ...packaged];
  return folders.find((dir) => programs.every((program) => existsSync(join(dir, program)))) ?? null;
}

/**
 * Makes the cluster in `dir` on first use and starts it; null when this user or folder cannot run it. The caller holds
 * the folder's lock: a server that runs on it all the same was left behind by a killed process, and is stopped first.
 */
export async function startMachinePostgres(binaries: string, dir: string): Promise<MachinePostgres | null> {
  const account = postgresAccount();
  if (account === null) return null;
  // Absolute, because neither program runs in our folder: the account it runs under may not enter it.
  const dataDir = path.resolve(dir, 'postgres');
  const socketDir = path.resolve(dir, 'socket');
  for (const folder of [dir, dataDir, socketDir]) mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const folder of [dataDir, socketDir]) chownSync(folder, account.uid, account.gid);
  if (!existsSync(join(dataDir, 'PG_VERSION')) && !initialise({ binaries, dataDir, account })) return null;
  if (!(await stopLeftOver({ binaries, dataDir, socketDir }))) return null;
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', dataDir, '-k', socketDir, '-c', 'listen_addresses=', '-c', 'log_destination=stderr'],
    { ...account, cwd: '/', stdio: 'ignore' },
  );
  // Without a listener a program that cannot be started would end this process.
  server.on('error', () => undefined);
  const url = `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(socketDir)}`;
  if (await answers(binaries, socketDir, server)) return { url, close: () => stop(server) };
  await stop(server);
  return null;
}

/** Postgres refuses to run as root, so root hands it to the user that the package made. */
function postgresAccount(): Account | null {
  const { uid, gid } = userInfo();
  if (uid !== 0) return { uid, gid };
  const [ownUid, ownGid] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim() || Number.NaN),
  );
  return ownUid && ownGid ? { uid: ownUid, gid: ownGid } : null;
}

function initialise(options: { binaries: string; dataDir: string; account: Account }): boolean {
  const { status } = spawnSync(
    join(options.binaries, 'initdb'),
    ['-D', options.dataDir, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'],
    { ...options.account, cwd: '/', stdio: 'ignore' },
  );
  return status === 0;
}

interface Cluster {
  readonly binaries: string;
  readonly dataDir: string;
  readonly socketDir: string;
}

/** False when one is there and does not go. A dead one's file says nothing: Postgres itself clears that away. */
async function stopLeftOver({ binaries, dataDir, socketDir }: Cluster): Promise<boolean> {
  const pidFile = join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile) || !listens(binaries, socketDir)) return true;
  // It answers on our socket, so the process of the file is alive and is no stranger that was given the same number.
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 1) return false;
  process.kill(pid, fastShutdown);
  // Removing its file is the last thing that Postgres does.
  return eventually(() => !existsSync(pidFile), stopDeadlineMs);
}

/** Also while it starts or stops, when it refuses (exit code 1). */
function listens(binaries: string, socketDir: string): boolean {
  const { status } = spawnSync(join(binaries, 'pg_isready'), ['-q', '-h', socketDir]);
  return status === 0 || status === 1;
}

async function answers(binaries: string, socketDir: string, server: ChildProcess): Promise<boolean> {
  const isReady = () => spawnSync(join(binaries, 'pg_isready'), ['-q', '-h', socketDir]).status === 0;
  await eventually(() => hasEnded(server) || isReady(), startDeadlineMs);
  return !hasEnded(server) && isReady();
}

async function eventually(condition: () => boolean, deadlineMs: number): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  while (performance.now() < deadline) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return condition();
}

/** A program that could not be started has no pid; one that a signal ended has no exit code. */
function hasEnded({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

/** Postgres' "fast" shutdown: roll back, write out, leave. */
const fastShutdown = 'SIGINT';

function stop(server: ChildProcess): Promise<void> {
  if (hasEnded(server)) return Promise.resolve();
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  server.kill(fastShutdown);
  return ended;
}
