// What an operator types before going live: `simulate -- acceptance` against a receiver and a worker of their own. Green
// when every field is right, red with the field's name when one is not, and never begun on what is not a sandbox.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { runAcceptance } from '../simulator/acceptance.ts';
import { printedEnvironment, readAcceptanceWish } from '../simulator/acceptance-wish.ts';
import { developmentSetup, type DevelopmentSetup } from '../simulator/dev-certificates.ts';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import { nodeCommand, runProcess, startRole, type RoleProcess } from '../support/processes.ts';

const runTimeoutMs = 600_000;

interface Place {
  readonly dir: string;
  readonly setup: DevelopmentSetup;
  readonly test: TestDatabase;
  readonly processes: readonly RoleProcess[];
  readonly target: string;
}

/** A receiver and a worker with the settings that `--print-env` shows. */
async function deploy(): Promise<Place> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lean-acceptance-'));
  const dataDir = path.join(dir, 'data/dev');
  const { dir: setupDir } = await developmentSetup(dataDir);
  const file = path.join(setupDir, 'setup.json');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(/"simulatorPort": \d+/, `"simulatorPort": ${await freePort()}`));
  const setup = await developmentSetup(dataDir);
  const test = await openTestDatabase();
  const facts = { environment: 'sandbox', region: 'ae', appToken: setup.appToken };
  await stampInstallation(test.database, facts);
  const env = {
    ...parseEnv(printedEnvironment(setup)),
    HOST: '127.0.0.1',
    PORT: '0',
    OPS_PORT: '0',
    JOURNAL_DIR: path.join(dir, 'journal'),
    REDIS_URL: engines.redisUrl,
    QUEUE_PREFIX: uniquePrefix(),
    DATABASE_URL: test.url ?? '',
    DATABASE_SCHEMA: test.schema,
    SYNC_DATA: 'accounts,balances,transactions,identity',
  };
  const receiver = startRole('receiver', env);
  const worker = startRole('worker', env);
  const target = String((await receiver.line('listening'))['url']);
  await worker.line('listening');
  return { dir, setup, test, processes: [receiver, worker], target };
}

/** In this process; what it said, and how it would end. */
async function accept({ dir, setup, test, target }: Place, ...args: string[]) {
  const said: string[] = [];
  const given = ['--target', target, '--database', test.url ?? '', '--schema', test.schema, ...args];
  const wish = readAcceptanceWish(given, setup);
  if (wish === null) throw new Error('nothing to play');
  const dataDir = path.join(dir, 'data/dev');
  const code = await runAcceptance({ ...wish, setup, dataDir, say: (line) => said.push(line) });
  return { code, output: said.join('\n') };
}

describe.skipIf(engines.databaseUrl === undefined)('simulate -- acceptance, with a real Postgres', () => {
  let place: Place;
  beforeAll(async () => {
    place = await deploy();
  }, runTimeoutMs);
  afterAll(async () => {
    for (const process of place.processes) process.kill('SIGKILL');
    await Promise.all(place.processes.map(({ exited }) => exited));
    await place.test.drop();
    await rm(place.dir, { recursive: true, force: true });
  });

  it(
    'accepts a deployment that holds every field as Lean has it, and erases its customers when asked',
    async () => {
      const wish = '--webhooks 100 --seconds 500 --data identity --erase';
      const { code, output } = await accept(place, ...wish.split(' '));
      expect(output).toContain('ACCEPTED: every field');
      expect(code).toBe(0);
      expect(output).toMatch(/webhooks sent +100\nacknowledged +100\n/);
      expect(output).toMatch(/forged and refused +1 of 1/);
      for (const table of ['entities', 'accounts', 'balances', 'transactions', 'consents', 'identities'])
        expect(output).toMatch(new RegExp(String.raw`^${table} +[1-9]\d* +\d+ +0$`, 'm'));
      const { db } = place.test.database;
      expect(await db.selectFrom('accounts').select('account_id').execute()).toEqual([]);
    },
    runTimeoutMs,
  );

  it(
    'does not accept one that keeps an amount otherwise, and names the field',
    async () => {
      const { database } = place.test;
      const tamper = sql.id(database.schema, 'tamper');
      await sql`create function ${tamper}() returns trigger language plpgsql as
        'begin new.amount := new.amount + 0.01; return new; end'`.execute(database.db);
      await sql`create trigger tamper before insert on ${database.table('transactions')} for each row
        when (new.credit_debit_indicator = 'CREDIT') execute function ${tamper}()`.execute(database.db);
      const { code, output } = await accept(
        place,
        '--webhooks',
        '40',
        '--seconds',
        '100',
        '--data',
        'identity',
      );
      await sql`drop trigger tamper on ${database.table('transactions')}`.execute(database.db);
      expect(code).toBe(1);
      expect(output).toMatch(/^DIFFERS +transactions\.amount: [\d.]+ where Lean has [\d.]+ \(accec0de-/m);
      expect(output).not.toMatch(/^DIFFERS +(?!transactions\.amount)\S/m);
      expect(output).toMatch(/^accounts +[1-9]\d* +\d+ +0$/m);
      expect(output).toContain('NOT ACCEPTED');
    },
    runTimeoutMs,
  );

  it(
    'begins nothing where nobody takes a delivery, on another application, or in production',
    async () => {
      const { database } = place.test;
      const nowhere = accept(place, '--target', 'https://127.0.0.1:1/webhooks/lean');
      await expect(nowhere).rejects.toThrow('--print-env');
      await database.db.updateTable('installation').set({ app_token_sha256: 'another' }).execute();
      await expect(accept(place)).rejects.toThrow('another Lean application');
      await database.db.updateTable('installation').set({ environment: 'production' }).execute();
      await expect(accept(place)).rejects.toThrow('production');
      expect(() => readAcceptanceWish(['--database', 'x', '--webhooks', '1'], place.setup)).toThrow(
        '--webhooks',
      );
      expect(() => readAcceptanceWish(['--database', 'x', '--data', 'cards'], place.setup)).toThrow('cards');
    },
    runTimeoutMs,
  );

  it(
    'prints the settings a deployment must have, and says in a sentence with exit code 2 what is missing',
    async () => {
      const { dir: cwd, setup } = place;
      const command = [...nodeCommand('test/simulator/main.ts'), 'acceptance'] as const;
      const printed = await runProcess({ command: [...command, '--print-env'], cwd, env: {} });
      expect(printed).toEqual({ code: 0, stdout: `${printedEnvironment(setup)}\n`, stderr: '' });
      const missing = await runProcess({ command, cwd, env: {} });
      expect(missing).toMatchObject({ code: 2, stderr: expect.stringMatching(/^--database [^\n]+\n$/) });
    },
    runTimeoutMs,
  );
});
