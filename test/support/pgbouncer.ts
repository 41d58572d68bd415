// The real PgBouncer in transaction mode between a test and its Postgres: a session is lent for one transaction only. Fewer
// sessions than a worker has connections, so that every one of them is shared. Has a folder and a port of its own.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { findProgram } from './engines-binaries.ts';
import { freePort } from './engines-processes.ts';
import { eventually } from './eventually.ts';
import { startProcess, type RoleProcess } from './processes.ts';

export interface PgBouncer {
  /** As the one given, through the pooler. */
  readonly url: string;
  close(): Promise<void>;
}

const program = findProgram('pgbouncer', ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']);
export const hasPgBouncer = program !== undefined;

const startAttempts = 5;
const startTimeoutMs = 30_000;
/** PgBouncer refuses to run as root; then it runs as somebody who may do nothing. */
const nobody = 65_534;
const pooledSessions = 2;

export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer> {
  if (program === undefined) throw new Error('pgbouncer is not on this machine');
  const dir = mkdtempSync(path.join(tmpdir(), 'pgbouncer-'));
  const uid = process.getuid?.() === 0 ? nobody : undefined;
  // Whoever it runs as reads its configuration there; the passwords in it are those of tests.
  chmodSync(dir, 0o755);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const file = writeConfiguration({ dir, port, databaseUrl });
    const running = startProcess({
      command: [program, file],
      cwd: '/',
      env: {},
      ...(uid !== undefined && { uid }),
    });
    if (await isUp(running)) {
      const url = new URL(databaseUrl);
      url.host = `127.0.0.1:${port}`;
      return {
        url: url.href,
        async close() {
          running.kill('SIGKILL');
          await running.exited;
          rmSync(dir, { recursive: true, force: true });
        },
      };
    }
    running.kill('SIGKILL');
    if (attempt < startAttempts) continue;
    rmSync(dir, { recursive: true, force: true });
    throw new Error(`pgbouncer did not start:\n${running.stderr()}`);
  }
}

interface Writing {
  readonly dir: string;
  readonly port: number;
  readonly databaseUrl: string;
}

/** What its defaults are is left so: above all what it does to a session between two clients, which is nothing. */
function writeConfiguration({ dir, port, databaseUrl }: Writing): string {
  const { hostname, port: postgresPort, username, password } = new URL(databaseUrl);
  const users = path.join(dir, 'users.txt');
  writeFileSync(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const lines = [
    '[databases]',
    `* = host=${hostname} port=${postgresPort === '' ? '5432' : postgresPort}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${pooledSessions}`,
    'max_client_conn = 200',
    ...(keepsPreparedStatements() ? ['max_prepared_statements = 0'] : []),
  ];
  const file = path.join(dir, 'pgbouncer.ini');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

/** Before 1.21 it knew nothing of them, which is what 0 says. */
function keepsPreparedStatements(): boolean {
  const said = spawnSync(program ?? '', ['--version'], { encoding: 'utf8' }).stdout;
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

async function isUp(running: RoleProcess): Promise<boolean> {
  let ended = false;
  void running.exited.then(() => (ended = true));
  await eventually(() => expect(ended || running.stderr().includes('process up')).toBe(true), {
    timeoutMs: startTimeoutMs,
  });
  return !ended;
}
