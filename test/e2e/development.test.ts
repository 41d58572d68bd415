// What a developer types: the demo, `npm start`, a story of the simulator, a look at the rows. In a folder of its own,
// on free ports, so that a developer's own running service is left alone.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines, openTestDatabase } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import {
  nodeCommand,
  root,
  runProcess,
  runToSuccess,
  startProcess,
  type RoleProcess,
} from '../support/processes.ts';

const runTimeoutMs = 300_000;

describe('npm run demo', () => {
  it('ends with 0 and leaves no schema and no key behind', { timeout: runTimeoutMs }, async () => {
    const { databaseUrl } = engines;
    const env = {
      REDIS_URL: engines.redisUrl,
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
    };
    expect(await runToSuccess({ command: nodeCommand('test/demo.ts'), cwd: root, env })).toContain('Done in');
    const redis = new Redis(engines.redisUrl);
    expect(await redis.keys('{lean_demo_*')).toEqual([]);
    redis.disconnect();
    const test = await openTestDatabase({ migrated: false });
    const { rows } = await sql`select nspname from pg_namespace where nspname like 'lean_demo_%'`.execute(
      test.database.db,
    );
    await test.drop();
    expect(rows).toEqual([]);
  });
});

describe('npm start', () => {
  let dir: string;
  let service: RoleProcess | undefined;
  const env = { PORT: '0', OPS_PORT: '0' };
  const run = (program: string, ...args: string[]) =>
    runProcess({ command: [...nodeCommand(program), ...args], cwd: dir, env });

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'lean-start-'));
    await run('test/simulator/prepare-development.ts');
    const setupFile = path.join(dir, 'data/dev/setup/setup.json');
    const setup = await readFile(setupFile, 'utf8');
    await writeFile(setupFile, setup.replace(/"simulatorPort": \d+/, `"simulatorPort": ${await freePort()}`));
    await run('test/simulator/prepare-development.ts');
  }, runTimeoutMs);

  afterAll(async () => {
    service?.kill('SIGKILL');
    await service?.exited;
    await rm(dir, { recursive: true, force: true });
  });

  it('refuses production', async () => {
    const refused = await runProcess({
      command: nodeCommand('src/main-all.ts'),
      cwd: dir,
      env: { ...env, LEAN_ENVIRONMENT: 'production' },
    });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('LEAN_ENVIRONMENT');
  });

  it(
    'takes a linked bank to rows one can query, owns its folder, and ends with 0',
    { timeout: runTimeoutMs },
    async () => {
      service = startProcess({ command: nodeCommand('src/main-all.ts'), cwd: dir, env });
      const url = String((await service.line('listening', runTimeoutMs / 2))['url']);

      const second = await run('src/main-all.ts');
      expect(second).toMatchObject({ code: 1 });
      expect(second.stderr).toContain('EMBEDDED_IN_USE');

      expect(await run('test/simulator/main.ts', 'link-bank', '--target', url)).toMatchObject({ code: 0 });

      const counted = await run('src/main-ops.ts', 'sql', '--json', 'select count(*) from transactions');
      expect(JSON.parse(counted.stdout)).toEqual([{ count: '360' }]);
      const refused = await run('src/main-ops.ts', 'sql', 'delete from accounts');
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.stdout).toContain('SQL_REFUSED');

      service.kill('SIGTERM');
      expect(await service.exited).toEqual({ code: 0, signal: null });
    },
  );

  it('without a running service, ops sql says what to do', async () => {
    const asked = await run('src/main-ops.ts', 'sql', 'select 1');
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stdout).toContain('DEVELOPMENT_NOT_RUNNING');
  });
});

describe('a Node that is too old', () => {
  it('says so in one sentence and not as a syntax error', async (context) => {
    const older = await runProcess({ command: ['/usr/bin/env', 'node', '--version'], cwd: '/', env: {} });
    const major = Number(older.stdout.slice(1).split('.', 1)[0]);
    context.skip(!(major >= 20 && major < 26), 'needs a Node 20 to 25 on the machine');
    const [, ...args] = nodeCommand('src/main-receiver.ts');
    const refused = await runProcess({ command: ['/usr/bin/env', 'node', ...args], cwd: '/', env: {} });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^This service runs on Node 26 or newer[^\n]*\n$/);
  });
});
