// The README's way from the demo to production, as far as it can be walked here: Lean's sandbox without a webhook, played
// by the simulator. The demo, and `npm start` beside the simulator, are walked in development.test.ts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runInDevelopment } from '../../src/operations/ops-development.ts';
import { sqlOverSocket } from '../../src/operations/ops-sql.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { startLeanServer, type LeanServer } from '../simulator/lean-server.ts';
import { eventually } from '../support/eventually.ts';
import { testPki, writePki } from '../support/pki.ts';
import { nodeCommand, runToSuccess, startProcess, type RoleProcess } from '../support/processes.ts';
import { chapter, pastedCommands, readme, shellBlocks } from '../support/readme.ts';

const runTimeoutMs = 240_000;
const appToken = 'token-of-the-sandbox';
const anHourAgo = new Date(Date.now() - 3_600_000).toISOString();
const nobody: SimulatedCustomers = { seed: 'sandbox', entities: [] };
const somebody = generateCustomers({ seed: 'sandbox', entities: 1, region: 'ae', at: anHourAgo });

const step = chapter(readme(), "### 3. Lean's sandbox, without a public URL");
const commands = pastedCommands(step);

let dir: string;
let lean: LeanServer;
let service: RoleProcess;
let customers = nobody;
const ended: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'lean-sandbox-'));
  // Where the machine has a Postgres it is used, by an account that may enter here.
  await chmod(dir, 0o755);
  ended.push(() => rm(dir, { recursive: true, force: true }));
  const pki = await testPki();
  const { leanChain } = await writePki(pki, path.join(dir, 'certificates'));
  lean = await startLeanServer({
    pki,
    customers,
    appToken,
    requireClientCertificate: false,
    beforeCall: () => Promise.resolve(customers),
  });
  ended.push(() => lean.close());
  await pasteEnvironment();
  const env = { LEAN_API_URL: lean.url, LEAN_CA_FILE: leanChain, PORT: '0', OPS_PORT: '0' };
  service = startProcess({ command: nodeCommand('src/main-all.ts'), cwd: dir, env });
  ended.push(async () => {
    // In order, so that its Postgres goes with it.
    service.kill('SIGTERM');
    await service.exited;
  });
  await service.line('listening', runTimeoutMs / 2);
}, runTimeoutMs);

afterAll(async () => {
  for (const end of ended.toReversed()) await end();
}, runTimeoutMs);

const socket = () => path.join(dir, 'data/dev/sql.sock');

/** Runs the block that ends in the start of the service, but for that, and fills in what a reader fills in. */
async function pasteEnvironment(): Promise<void> {
  const [block = ''] = shellBlocks(step);
  const [writing = ''] = block.split('npm start\n');
  expect(block).toBe(`${writing}npm start\n`);
  await runToSuccess({ command: ['/bin/sh', '-e', '-c', writing], cwd: dir, env: {} });
  const file = path.join(dir, '.env');
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('<APP TOKEN>', appToken).replace('<WEBHOOK SECRET>', 'a'.repeat(32)));
}

it(
  'brings in all data of a new connection with the app token of a sandbox and no webhook, until an interrupt',
  { timeout: runTimeoutMs },
  async () => {
    expect(commands).toContainEqual(['npm', 'run', 'ops', '--', 'sweep', '--follow']);
    const [program, ...args] = nodeCommand('src/main-ops.ts');
    const sweep = spawn(program, [...args, 'sweep', '--follow', '--every', '1'], { cwd: dir, env: {} });
    ended.push(() => Promise.resolve(sweep.kill('SIGKILL')));
    const exit = once(sweep, 'exit');
    let said = '';
    sweep.stdout.on('data', (text) => {
      said += String(text);
    });
    // The first look has found nobody.
    await eventually(() => expect(said).toMatch(/entities +0 +[1-9]/), { timeoutMs: runTimeoutMs / 3 });
    customers = somebody;

    const [query = ''] = commands.flatMap((words) => (words[4] === 'sql' ? words.slice(5) : []));
    const accounts = somebody.entities.flatMap((entity) => entity.accounts);
    const arrived = {
      entities: '1',
      accounts: String(accounts.length),
      balances: String(accounts.reduce((sum, { balances }) => sum + balances.length, 0)),
      transactions: String(accounts.reduce((sum, { transactions }) => sum + transactions.length, 0)),
    };
    await eventually(async () => expect(await sqlOverSocket(socket(), query)).toEqual([arrived]), {
      timeoutMs: runTimeoutMs / 3,
      everyMs: 250,
    });
    sweep.kill('SIGINT');
    expect(await exit).toEqual([0, null]);
    expect(service.stderr()).toContain('npm run ops -- sweep --follow');
  },
);

it('answers every question of the README that only reads rows', { timeout: runTimeoutMs }, async () => {
  const lines = pastedCommands(readme()).filter((words) => words[2] === 'ops');
  const queries = lines.flatMap((words) => (words[4] === 'sql' ? words.slice(5) : []));
  const lists = lines.map((words) => words.slice(4)).filter(([, second]) => second === 'list');
  expect([queries.length, lists.length]).not.toContain(0);
  // Here the schema has another name.
  for (const text of queries)
    expect(await sqlOverSocket(socket(), text.replaceAll(/\blean\./g, ''))).toBeInstanceOf(Array);
  const said: string[] = [];
  const asker = { socket: socket(), operator: undefined, write: (text: string) => said.push(text) };
  const stop = new AbortController().signal;
  for (const argv of lists) expect(await runInDevelopment({ ...asker, argv, stop })).toBe(0);
  expect(said).toHaveLength(lists.length);
});
