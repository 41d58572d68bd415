// The machine's own Postgres under `npm start`: whatever ends it or its owner, the next start finds a usable folder.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, type TestContext } from 'vitest';
import { startMachinePostgres, type MachinePostgres } from '../../src/embedded/machine-postgres.ts';
import { findPostgresFolder, findProgram } from '../support/engines-binaries.ts';
import { needsRealEngines } from '../support/engines.ts';

// One for all tests: making a cluster is slow.
const home = mkdtempSync(join(tmpdir(), 'machine-postgres-'));
// As root the server runs under another account, which has to pass through.
chmodSync(home, 0o755);
const started: (MachinePostgres | null)[] = [];
afterEach(async () => {
  for (const postgres of started.splice(0).toReversed()) await postgres?.close();
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A folder with the programs we need but for `missing`. */
function programsWithout(context: TestContext, missing = 'nothing'): string {
  needsRealEngines(context, 'postgres');
  const real = findPostgresFolder() ?? '';
  const folder = join(home, `without-${missing}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const name of ['initdb', 'postgres', 'pg_isready'].filter((program) => program !== missing)) {
    symlinkSync(findProgram(name, [real]) ?? '', join(folder, name));
  }
  return folder;
}

async function start(binaries: string): Promise<MachinePostgres | null> {
  const postgres = await startMachinePostgres(binaries, join(home, 'data'));
  started.push(postgres);
  return postgres;
}

function serverPid(): number {
  return Number(readFileSync(join(home, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

describe("the machine's Postgres", () => {
  it('left running by a killed process is stopped and started anew', async (context) => {
    const binaries = programsWithout(context);
    expect(await start(binaries)).not.toBeNull();
    const before = serverPid();
    expect(await start(binaries)).not.toBeNull();
    expect(serverPid()).not.toBe(before);
  });

  it('stopped leaves nothing behind that keeps it from starting again', async (context) => {
    const binaries = programsWithout(context);
    const postgres = await start(binaries);
    await postgres?.close();
    expect(existsSync(join(home, 'data', 'postgres', 'postmaster.pid'))).toBe(false);
    expect(await start(binaries)).not.toBeNull();
  });

  it('that cannot be run is done without, and takes nobody down', async (context) => {
    const binaries = programsWithout(context, 'postgres');
    expect(await start(binaries)).toBeNull();
  });

  it('ended by a signal is closed at once', async (context) => {
    const postgres = await start(programsWithout(context));
    const pid = serverPid();
    process.kill(pid, 'SIGKILL');
    await postgres?.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await postgres?.close();
  });
});
