// Runs the machine's own `postgres` for development, on a Unix socket in the project's folder, never on a port.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
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

/** Makes the cluster in `dir` on first use and starts it; null when this user or folder cannot run it. */
export async function startMachinePostgres(binaries: string, dir: string): Promise<MachinePostgres | null> {
  const account = postgresAccount();
  if (account === null) return null;
  // Absolute, because neither program runs in our folder: the account it runs under may not enter it.
  const dataDir = path.resolve(dir, 'postgres');
  const socketDir = path.resolve(dir, 'socket');
  for (const folder of [dir, dataDir, socketDir]) mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const folder of [dataDir, socketDir]) chownSync(folder, account.uid, account.gid);
  if (!existsSync(join(dataDir, 'PG_VERSION')) && !initialise({ binaries, dataDir, account })) return null;
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', dataDir, '-k', socketDir, '-c', 'listen_addresses=', '-c', 'log_destination=stderr'],
    { ...account, cwd: '/', stdio: 'ignore' },
  );
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

async function answers(binaries: string, socketDir: string, server: ChildProcess): Promise<boolean> {
  const deadline = performance.now() + startDeadlineMs;
  while (server.exitCode === null && performance.now() < deadline) {
    const { status } = spawnSync(join(binaries, 'pg_isready'), ['-q', '-h', socketDir]);
    if (status === 0) return true;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return false;
}

function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return Promise.resolve();
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  server.kill('SIGINT'); // Postgres' "fast" shutdown: roll back, write out, leave.
  return ended;
}
