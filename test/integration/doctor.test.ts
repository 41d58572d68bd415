// `ops -- doctor` against real engines, TLS and a simulated Lean: everything good is exit 0, and whatever is broken says
// in its own line what is wrong and what to do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorkersRole, openDoctorStage, type DoctorStage, type Env } from '../support/doctor-stage.ts';
import { engines, needsRealEngines, startPrivateRedis } from '../support/engines.ts';
import { operate } from '../support/operator.ts';
import { nodeCommand } from '../support/processes.ts';
import { createAuthority, issueLeaf } from '../support/pki.ts';

let stage: DoctorStage;
beforeAll(async () => {
  stage = await openDoctorStage();
});
afterAll(() => stage.close());

const both = (changes: Env = {}) => stage.both(changes);

const doctor = (env: Env, ...argv: readonly string[]) => stage.examine(env, ...argv);

const lineOf = (check: string, env: Env) => stage.lineOf(check, env);

/** What a machine that is busy with other tests is warned of, rightly. */
const busyMachine = /jobs will be slow|every delivery waits for that/;

describe('a deployment that is well', () => {
  it('is ok in every line, exit 0', async (context) => {
    needsRealEngines(context);
    const redis = await startPrivateRedis({ args: ['--appendonly', 'yes'] });
    const role = await createWorkersRole(stage);
    try {
      const env = both({ REDIS_URL: redis.url, DATABASE_URL: role.url });
      const { code, findings } = await doctor(env);
      const isSlow = ({ message }: { message: string }) => busyMachine.test(message);
      expect(findings.filter((finding) => finding.state !== 'ok' && !isSlow(finding))).toEqual([]);
      expect(code).toBe(findings.some(isSlow) ? 1 : 0);
      // As the README says of the rehearsal of mTLS.
      const lean = findings.find(({ check }) => check === 'lean');
      expect(lean?.message).toContain('takes our certificate and app token');
      expect(new Set(findings.map(({ check }) => check))).toEqual(
        new Set([
          'receiver configuration',
          'worker configuration',
          'server pair',
          'server certificate',
          'application pair',
          'application certificate',
          'lean chain',
          'revocation lists',
          'client names',
          'clock',
          'redis',
          'redis writes',
          'redis settings',
          'queue prefix',
          'queue owner',
          'postgres',
          'postgres schema',
          'postgres rights',
          'sealed payloads',
          'payload keys',
          'journal place',
          'journal disk',
          'journal',
          'lean',
          'sweep',
          'public tls',
          'public path',
          'public stranger',
        ]),
      );
    } finally {
      await role.drop();
      await redis.stop();
    }
  });

  it('is asked one harmless question at a time, and nothing of it is changed', async () => {
    const before = { calls: stage.world.lean.calls.length, kept: stage.receiver.kept.length };
    const journal = path.join(stage.settings.dir, 'looked-at');
    await mkdir(journal);
    const { of } = await doctor(both({ JOURNAL_DIR: journal }));
    expect(of('journal disk')).toMatchObject([{ message: expect.stringContaining('an fsync takes') }]);
    expect(await readdir(journal)).toEqual([]);
    const calls = stage.world.lean.calls.slice(before.calls);
    expect(calls.map(({ method }) => method)).toEqual(['GET', 'GET']);
    expect(calls.map((call) => call.path).toSorted()).toEqual(['/banks/v1', '/customers/v1/entities']);
    expect(stage.receiver.kept).toHaveLength(before.kept);
    const { rows } = await sql`select 1 from ${stage.world.test.database.table('operator_log')}`.execute(
      stage.world.test.database.db,
    );
    expect(rows).toEqual([]);
  });

  it('reads as one line a check, with what to do behind an arrow', async () => {
    const { output } = await operate(['doctor'], { env: { VERIFY: 'signature', REDIS_URL: '' } });
    const lines = output.split('\n');
    for (const line of lines) expect(line).toMatch(/^(ok|warning|problem|skipped) +\S/);
    expect(lines.filter((line) => line.startsWith('problem')).every((line) => line.includes(' -> '))).toBe(
      true,
    );
  });
});

describe('an environment of one role', () => {
  it('a receiver’s says why the worker’s part is not looked at', async () => {
    const { findings, of } = await doctor({ ...stage.settings.env, REDIS_URL: engines.redisUrl });
    expect(of('worker part')).toMatchObject([
      { state: 'skipped', message: expect.stringMatching(/DATABASE_URL/) },
    ]);
    expect(findings.map(({ check }) => check)).not.toContain('postgres');
    expect(of('receiver configuration')).toMatchObject([{ state: 'ok' }]);
    expect(of('public url')).toMatchObject([{ state: 'skipped' }]);
  });

  it('a worker’s says why the receiver’s part is not looked at', async () => {
    const { findings, of } = await doctor(stage.world.env);
    expect(of('receiver part')).toMatchObject([
      { state: 'skipped', message: expect.stringMatching(/VERIFY/) },
    ]);
    expect(findings.map(({ check }) => check)).not.toContain('journal');
    expect(of('lean')).toMatchObject([{ state: 'ok' }]);
    expect(of('sweep')).toMatchObject([
      { state: 'ok', message: expect.stringMatching(/^in force: banks, entities, freshness/) },
    ]);
  });

  it('of neither is a problem that says so', async () => {
    expect(await doctor({})).toMatchObject({ code: 2, findings: expect.arrayContaining([]) });
    expect((await doctor({})).of('configuration')).toMatchObject([{ state: 'problem' }]);
  });
});

describe('variables that are wrong', () => {
  it('are all listed, and the rest is looked at all the same', async () => {
    const wrong = { LEAN_REGION: 'mars', JOURNAL_LIMIT_BYTES: 'much', LEAN_CLIENT_NAMES: '' };
    const { code, of } = await doctor(both(wrong));
    expect(code).toBe(2);
    const said = of('receiver configuration').map(({ message }) => message.split(' ', 1).join(''));
    expect(said.toSorted()).toEqual(Object.keys(wrong).toSorted());
    expect(of('redis')).toMatchObject([{ state: 'ok' }]);
    expect(of('postgres')).toMatchObject([{ state: 'ok' }]);
    expect(of('lean')).toMatchObject([{ state: 'skipped', message: 'first mend LEAN_REGION' }]);
  });

  it('are never replaced by a default that somebody else stands behind', async () => {
    const asked = stage.world.lean.calls.length;
    const wrong = {
      LEAN_API_URL: 'http://lean.example',
      LEAN_CLIENT_SECRET_FILE: path.join(stage.settings.dir, 'no-such-secret'),
      DATABASE_SCHEMA: 'not a schema',
      REDIS_URL: 'http://127.0.0.1',
      VERIFY: 'sometimes',
      PAYLOAD_KEYS: 'c2hvcnQ=',
      JOURNAL_LIMIT_BYTES: 'much',
    };
    const { findings } = await doctor(both(wrong));
    const firstMend = new Map(
      findings
        .filter(({ state, message }) => state === 'skipped' && message.startsWith('first mend '))
        .map(({ check, message }) => [check, message.slice('first mend '.length)]),
    );
    expect(Object.fromEntries(firstMend)).toEqual({
      'client names': 'VERIFY',
      redis: 'REDIS_URL',
      postgres: 'DATABASE_SCHEMA',
      'payload keys': 'PAYLOAD_KEYS',
      journal: 'JOURNAL_LIMIT_BYTES',
      lean: 'LEAN_API_URL, LEAN_CLIENT_SECRET',
      'public url': 'VERIFY',
    });
    expect(stage.world.lean.calls).toHaveLength(asked);
  });

  it('are no obstacle to the program itself, which ends with 2', async () => {
    const [program, ...args] = nodeCommand('src/main-ops.ts');
    const env = { VERIFY: 'signature', LEAN_REGION: 'mars' };
    const child = spawn(program, [...args, 'doctor', '--json'], {
      cwd: stage.settings.dir,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(child.exitCode).toBe(2);
    expect(output).toContain('LEAN_REGION must be one of');
  });

  it('and a disk that hangs keep the program no longer than its time', async () => {
    const pipe = path.join(stage.settings.dir, 'hangs.pem');
    const made = spawn('sh', ['-c', 'mkfifo "$0"', pipe]);
    await once(made, 'exit');
    const [program, ...args] = nodeCommand('src/main-ops.ts');
    const child = spawn(program, [...args, 'doctor', '--json', '--seconds', '1'], {
      cwd: stage.settings.dir,
      env: { VERIFY: 'signature', TLS_CERT_FILE: pipe, TLS_KEY_FILE: pipe, JOURNAL_DIR: stage.settings.dir },
      stdio: ['ignore', 'pipe', 'inherit'],
      // One that does hang is not left behind.
      timeout: 25_000,
      killSignal: 'SIGKILL',
    });
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(child.exitCode).toBe(2);
    expect(output).toContain('certificates: no answer within');
  });

  it('stop every other command as they did', async () => {
    await expect(
      operate(['sql', 'select 1'], { env: { JOURNAL_LIMIT_BYTES: 'much' } }),
    ).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });
});

describe('certificates', () => {
  it('a key of another certificate is a problem of that pair', async () => {
    const env = both({ TLS_KEY_FILE: stage.settings.files.rogueKey });
    expect(await lineOf('server pair', env)).toMatchObject({ exit: 2, state: 'problem' });
    expect(await lineOf('server certificate', env)).toEqual({ exit: 2 });
  });

  it('a certificate without the name of PUBLIC_URL is a problem that names it', async () => {
    const env = both({ PUBLIC_URL: 'https://webhooks.example.invalid/webhooks/lean' });
    expect(await lineOf('server certificate', env)).toMatchObject({
      state: 'problem',
      message: expect.stringContaining('webhooks.example.invalid'),
    });
  });

  it('a chain that leads to no trusted authority is a warning', async () => {
    const { leanServerCert, leanServerKey } = stage.settings.files;
    const line = await lineOf(
      'server certificate',
      both({ TLS_CERT_FILE: leanServerCert, TLS_KEY_FILE: leanServerKey }),
    );
    expect(line).toMatchObject({ state: 'warning' });
  });

  it('a certificate of ours that is for servers, or of another authority, is said to be', async () => {
    const { leanServerCert, leanServerKey, rogueCert, rogueKey } = stage.settings.files;
    const server = both({ LEAN_CERT_FILE: leanServerCert, LEAN_KEY_FILE: leanServerKey });
    const rogue = both({ LEAN_CERT_FILE: rogueCert, LEAN_KEY_FILE: rogueKey });
    expect(await lineOf('application certificate', server)).toMatchObject({ state: 'problem' });
    expect(await lineOf('application certificate', rogue)).toMatchObject({ state: 'warning' });
  });

  it('an intermediate that has ended leads nowhere, and is named', async () => {
    const ended = await createAuthority({
      name: 'CN=Ended Authority',
      parent: stage.settings.pki.issuers.publicRoot,
      notBefore: new Date(Date.now() - 20 * 365 * 86_400_000),
    });
    const leaf = await issueLeaf({ issuer: ended, sans: ['ip:127.0.0.1'], eku: ['serverAuth'] });
    const certFile = path.join(stage.settings.dir, 'ended.crt');
    const keyFile = path.join(stage.settings.dir, 'ended.key');
    await writeFile(certFile, leaf.chainPem);
    await writeFile(keyFile, leaf.keyPem);
    expect(
      await lineOf('server certificate', both({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile })),
    ).toMatchObject({
      state: 'warning',
      message: expect.stringContaining('not valid now: CN=Ended Authority'),
    });
  });

  it('one that ends soon is a warning with its day', async () => {
    const soon = await issueLeaf({
      issuer: stage.settings.pki.issuers.publicRoot,
      sans: ['dns:localhost', 'ip:127.0.0.1'],
      eku: ['serverAuth'],
      notAfter: new Date(Date.now() + 5 * 86_400_000),
    });
    const [certFile, keyFile] = ['soon.crt', 'soon.key'].map((name) => path.join(stage.settings.dir, name));
    await writeFile(certFile ?? '', soon.chainPem);
    await writeFile(keyFile ?? '', soon.keyPem);
    const env = both({ TLS_CERT_FILE: certFile ?? '', TLS_KEY_FILE: keyFile ?? '' });
    expect(await lineOf('server pair', env)).toMatchObject({ state: 'warning' });
  });
});

describe('the journal', () => {
  it('in a place that is no folder cannot be written', async () => {
    const line = await lineOf(
      'journal',
      both({ JOURNAL_DIR: path.join(stage.settings.files.tlsKey, 'journal') }),
    );
    expect(line).toMatchObject({ exit: 2, state: 'problem', code: 'JOURNAL_UNWRITABLE' });
  });

  it('that may grow beyond its disk is a warning', async () => {
    const line = await lineOf('journal disk', both({ JOURNAL_LIMIT_BYTES: '1099511627776' }));
    expect(line).toMatchObject({ state: 'warning', cure: expect.stringContaining('JOURNAL_LIMIT_BYTES') });
  });
});

describe('Lean', () => {
  it('that refuses the list a sweep reads makes that a line of its own', async () => {
    stage.world.lean.faults.add({
      fault: { kind: 'error', httpStatus: 403, status: 'INSUFFICIENT_ACCESS_LEVEL' },
      path: /customers\/v1\/entities/,
    });
    const { of } = await doctor(both());
    expect(of('lean')).toMatchObject([{ state: 'ok' }]);
    expect(of('sweep')).toMatchObject([
      { state: 'problem', code: 'LEAN_ACCESS_DENIED', message: expect.stringContaining('HTTP 403') },
    ]);
  });

  it('without our certificate says what it refused', async () => {
    const { of } = await doctor(both({ LEAN_CERT_FILE: '', LEAN_KEY_FILE: '' }));
    expect(of('lean')).toMatchObject([{ state: 'problem' }]);
  });
});
