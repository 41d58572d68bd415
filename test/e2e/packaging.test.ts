// What the image does, without a container engine: the Dockerfile's own commands in a clean folder, over a source tree
// nobody may write to, as a user without rights.
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from '../support/engines.ts';
import { testPki, webhookClientName, writePki } from '../support/pki.ts';
import { root, runProcess, runToSuccess, startProcess } from '../support/processes.ts';

const isRoot = process.getuid?.() === 0;
const imageUser = 65_532;
const runTimeoutMs = 180_000;
const commandSchema = z.tuple([z.string()], z.string());

/** The JSON form of an instruction of the last stage. */
async function dockerfileCommand(instruction: 'HEALTHCHECK' | 'CMD'): Promise<[string, ...string[]]> {
  const text = (await readFile(path.join(root, 'Dockerfile'), 'utf8')).replaceAll('\\\n', ' ');
  const line = text.split('\n').findLast((one) => one.startsWith(instruction)) ?? '';
  return commandSchema.parse(JSON.parse(line.slice(line.indexOf('['))));
}

describe('the production image’s commands', () => {
  let dir: string;
  let database: TestDatabase | undefined;
  let env: Record<string, string>;

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'lean-image-'));
    await chmod(dir, 0o755);
    const app = path.join(dir, 'app');
    for (const file of ['package.json', 'package-lock.json', '.npmrc', 'src']) {
      await cp(path.join(root, file), path.join(app, file), { recursive: true });
    }
    // The image brings Node with it, so here too it does not come from node_modules.
    await mkdir(path.join(dir, 'bin'));
    await cp(process.execPath, path.join(dir, 'bin/node'));
    const install = [
      'npm',
      'ci',
      '--omit=dev',
      '--omit=optional',
      '--ignore-scripts',
      '--prefer-offline',
    ] as const;
    await runToSuccess({
      command: ['/usr/bin/env', ...install],
      cwd: app,
      env: { HOME: userInfo().homedir },
    });
    await runToSuccess({ command: ['/bin/chmod', '-R', 'a-w', app], cwd: '/', env: {} });
    const files = await writePki(await testPki(), path.join(dir, 'certificates'));
    await mkdir(path.join(dir, 'journal'), { mode: 0o700 });
    if (isRoot) {
      await runProcess({
        command: [
          '/bin/chown',
          '-R',
          String(imageUser),
          path.join(dir, 'certificates'),
          path.join(dir, 'journal'),
        ],
        cwd: '/',
        env: {},
      });
    }
    database = await openTestDatabase({ migrated: false });
    env = {
      PATH: `${path.join(dir, 'bin')}:/usr/bin:/bin`,
      HOST: '127.0.0.1',
      PORT: '0',
      OPS_PORT: '0',
      LEAN_ENVIRONMENT: 'production',
      LEAN_REGION: 'sa',
      REDIS_URL: engines.redisUrl,
      QUEUE_PREFIX: uniquePrefix(),
      DATABASE_URL: database.url ?? '',
      DATABASE_SCHEMA: database.schema,
      PAYLOAD_KEYS: Buffer.alloc(32, 1).toString('base64'),
      VERIFY: 'certificate+signature',
      LEAN_WEBHOOK_SECRET: 'secret',
      LEAN_CLIENT_NAMES: webhookClientName,
      LEAN_CA_FILE: files.leanChain,
      TLS_CERT_FILE: files.tlsCert,
      TLS_KEY_FILE: files.tlsKey,
      LEAN_CERT_FILE: files.applicationCert,
      LEAN_KEY_FILE: files.applicationKey,
      LEAN_APP_TOKEN: 'token',
      JOURNAL_DIR: path.join(dir, 'journal'),
      JOURNAL_PERSISTENT: 'yes',
      SHUTDOWN_DELAY_MS: '0',
    };
  }, runTimeoutMs);

  afterAll(async () => {
    await database?.drop();
    await rm(dir, { recursive: true, force: true });
  });

  const asImage = () => ({ cwd: path.join(dir, 'app'), env, ...(isRoot && { uid: imageUser }) });

  it(
    'migrate, serve, answer the health check and end with 0 on SIGTERM, as a user without rights',
    {
      timeout: runTimeoutMs,
    },
    async (context) => {
      context.skip(engines.databaseUrl === undefined, 'processes of their own need a real Postgres');
      const [node, ...args] = await dockerfileCommand('CMD');
      const command = (role: string): [string, ...string[]] => [
        node,
        ...args.map((arg) => arg.replace('main-receiver', `main-${role}`)),
      ];
      expect(await runToSuccess({ ...asImage(), command: command('migrate') })).toContain('installation');

      for (const role of ['receiver', 'worker']) {
        const running = startProcess({ ...asImage(), command: command(role) });
        const { port } = new URL(String((await running.line('listening'))['opsUrl']));
        await runToSuccess({
          ...asImage(),
          env: { ...env, OPS_PORT: port },
          command: await dockerfileCommand('HEALTHCHECK'),
        });
        running.kill('SIGTERM');
        expect(await running.exited).toEqual({ code: 0, signal: null });
      }
    },
  );

  it('fail the health check when nobody answers', async () => {
    const health = await runProcess({
      ...asImage(),
      env: { ...env, OPS_PORT: '1' },
      command: await dockerfileCommand('HEALTHCHECK'),
    });
    expect(health).toMatchObject({ code: 1 });
  });
});
