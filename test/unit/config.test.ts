// What the environment may say, what is refused, and that no message or summary repeats a secret.
import { describe, expect, it } from 'vitest';
import { summarizeConfig } from '../../src/config/config-summary.ts';
import { secretNames } from '../../src/config/env-schema.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { problemsOf, receiverEnv as receiver } from '../support/config-problems.ts';

const key = Buffer.alloc(32, 7).toString('base64');
const worker = {
  LEAN_ENVIRONMENT: 'production',
  LEAN_REGION: 'ae',
  LEAN_APP_TOKEN: 'token-1',
  LEAN_CERT_FILE: 'my_app_cert.crt',
  LEAN_KEY_FILE: 'my_app.key',
  PAYLOAD_KEYS: key,
  REDIS_URL: 'rediss://redis.internal:6379',
  DATABASE_URL: 'postgres://lean:p%40ss@db.internal/lean',
};

describe('loadConfig', () => {
  it('gives a receiver its values, parsed, with defaults, frozen', () => {
    const config = loadConfig('receiver', receiver);
    expect(config).toMatchObject({
      PORT: 8443,
      OPS_PORT: 9464,
      QUEUE_PREFIX: '{lean-sandbox-sa}',
      LEAN_WEBHOOK_SECRET: ['whsec-old-secret', 'whsec-new-secret'],
      LEAN_CLIENT_NAMES: [{ kind: 'dns', value: 'webhooks.leantech.me' }],
      SYNC_DATA: ['accounts', 'balances', 'transactions'],
      ACK_AFTER: 'journal',
      warnings: [],
      secretFiles: {},
    });
    expect(config.DATABASE_URL).toBeUndefined();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.LEAN_CLIENT_NAMES)).toBe(true);
  });

  it('gives a worker another operations port and lets settings be set', () => {
    expect(loadConfig('worker', worker).OPS_PORT).toBe(9465);
    const set = loadConfig('worker', { ...worker, OPS_PORT: '0', QUEUE_PREFIX: '{mine}' });
    expect(set).toMatchObject({ OPS_PORT: 0, QUEUE_PREFIX: '{mine}' });
  });

  it('lists every problem in one message, by name, without a value', () => {
    const lines = problemsOf('receiver', {
      LEAN_REGION: 'atlantis',
      VERIFY: 'certificate+signature',
      PORT: '99999',
      REDIS_URL: 'http://user:hunter2@redis',
      PAYLOAD_KEYS: 'c2hvcnQ=',
      BODY_LIMIT_BYTES: '1e6',
    });
    expect(lines.map((line) => line.split(' ', 1)[0])).toEqual(
      expect.arrayContaining([
        'BODY_LIMIT_BYTES',
        'LEAN_CA_FILE',
        'LEAN_CLIENT_NAMES',
        'LEAN_ENVIRONMENT',
        'LEAN_REGION',
        'LEAN_WEBHOOK_SECRET',
        'PAYLOAD_KEYS',
        'PORT',
        'REDIS_URL',
        'TLS_CERT_FILE',
        'TLS_KEY_FILE',
      ]),
    );
    expect(lines).toHaveLength(11);
    expect(lines.join('\n')).not.toMatch(/atlantis|99999|hunter2|c2hvcnQ|1e6/);
  });

  it('takes an empty value for one that is not set', () => {
    expect(problemsOf('receiver', { ...receiver, LEAN_CA_FILE: '' })).toEqual([
      'LEAN_CA_FILE is required with VERIFY=certificate+signature',
    ]);
    expect(loadConfig('receiver', { ...receiver, PORT: '' }).PORT).toBe(8443);
  });

  it.each(secretNames)('reads %s from its file, one trailing newline trimmed', (name) => {
    const value: Record<string, string> = {
      PAYLOAD_KEYS: key,
      REDIS_URL: 'redis://r:1',
      DATABASE_URL: 'postgres://d/x',
      MIGRATION_DATABASE_URL: 'postgres://m/x',
    };
    const text = value[name] ?? 'secret-of-sixteen-characters';
    const env = { [`${name}_FILE`]: '/run/secrets/it' };
    const config = loadConfig('ops', env, (path) =>
      path === '/run/secrets/it' ? `${text}\n` : 'wrong file',
    );
    expect([config[name]].flat()).toEqual([text]);
    expect(config.secretFiles).toEqual({ [name]: '/run/secrets/it' });
  });

  it('says which secret file cannot be read, and refuses a secret given twice', () => {
    const { LEAN_APP_TOKEN: _, ...others } = worker;
    expect(problemsOf('worker', { ...others, LEAN_APP_TOKEN_FILE: '/does/not/exist' })).toEqual([
      'LEAN_APP_TOKEN_FILE names a file that cannot be read (ENOENT)',
    ]);
    expect(problemsOf('worker', { ...worker, LEAN_APP_TOKEN_FILE: '/does/not/exist' })).toContain(
      'LEAN_APP_TOKEN_FILE and LEAN_APP_TOKEN are both set; keep one',
    );
  });
});

describe('the rules between variables', () => {
  it.each([
    [
      'VERIFY=none outside sandbox',
      'receiver',
      { LEAN_ENVIRONMENT: 'production', VERIFY: 'none', PAYLOAD_KEYS: key },
      'VERIFY',
    ],
    ['no server certificate', 'receiver', { TLS_CERT_FILE: '' }, 'TLS_CERT_FILE'],
    ['a certificate without its key', 'receiver', { TLS_KEY_FILE: '' }, 'TLS_KEY_FILE'],
    ['production without keys', 'receiver', { LEAN_ENVIRONMENT: 'production' }, 'PAYLOAD_KEYS'],
    [
      'production in one process',
      'all',
      { LEAN_ENVIRONMENT: 'production', PAYLOAD_KEYS: key, LEAN_APP_TOKEN: 't' },
      'LEAN_ENVIRONMENT',
    ],
    [
      'LEAN_CLIENT_PURPOSE=serverAuth without a pinned key',
      'receiver',
      {
        LEAN_CLIENT_PURPOSE: 'serverAuth',
        LEAN_CLIENT_NAMES: 'dns:a.example,uri:https://a.example/sha256/b',
      },
      'LEAN_CLIENT_NAMES',
    ],
    [
      'a kind of data that the v1 dialect does not have',
      'receiver',
      { LEAN_API_VERSION: 'v1', SYNC_DATA: 'accounts,beneficiaries' },
      'SYNC_DATA',
    ],
    ['an OPS_TOKEN that can be guessed', 'receiver', { OPS_TOKEN: 'fifteen-letters' }, 'OPS_TOKEN'],
    [
      'a list of networks that are none',
      'receiver',
      { TRUSTED_PROXIES: '10.0.0.0/8,everyone' },
      'TRUSTED_PROXIES',
    ],
    [
      'a client name without its kind',
      'receiver',
      { LEAN_CLIENT_NAMES: 'webhooks.leantech.me' },
      'LEAN_CLIENT_NAMES',
    ],
  ] as const)('refuse %s', (_, role, changes, name) => {
    const problems = problemsOf(role, { ...receiver, ...changes });
    expect(problems.map((line) => line.split(' ', 1)[0])).toEqual([name]);
  });

  it('let every kind of data be asked for', () => {
    const SYNC_DATA =
      'accounts,balances,transactions,identity,beneficiaries,direct_debits,standing_orders,scheduled_payments';
    expect(problemsOf('worker', { ...worker, SYNC_DATA })).toEqual([]);
  });

  it('want a certificate of a production worker, not of a sandbox one nor of one with a client secret', () => {
    const bare = { ...worker, LEAN_CERT_FILE: '', LEAN_KEY_FILE: '' };
    expect(problemsOf('worker', bare)).toEqual([
      'LEAN_CERT_FILE is required in production without LEAN_CLIENT_SECRET',
      'LEAN_KEY_FILE is required in production without LEAN_CLIENT_SECRET',
    ]);
    expect(problemsOf('worker', { ...bare, LEAN_ENVIRONMENT: 'sandbox' })).toEqual([]);
    expect(problemsOf('worker', { ...bare, LEAN_CLIENT_SECRET: 'client-secret' })).toEqual([]);
  });

  it('let one process for development go without engines and our certificate', () => {
    const { REDIS_URL: _, ...others } = receiver;
    expect(problemsOf('all', { ...others, LEAN_APP_TOKEN: 'token-1' })).toEqual([]);
  });

  it('want one of two database URLs to migrate, and nothing of the command line', () => {
    const { DATABASE_URL: _, ...others } = worker;
    expect(problemsOf('migrate', others)).toEqual([
      'MIGRATION_DATABASE_URL or DATABASE_URL is required by migrate',
    ]);
    expect(problemsOf('migrate', worker)).toEqual([]);
    expect(problemsOf('ops', {})).toEqual([]);
  });

  it('point at a slip of the pen and leave other programs alone', () => {
    const slips = { LEAN_CA_FIEL: 'x', JOURNAL_DIRR: 'x', LEAN_APP_TOKEN_FIL: 'x' };
    const strangers = { PATH: 'x', HOME: 'x', POST: 'x', LEAN_SOMETHING_ELSE: 'x', NODE_ENV: 'x' };
    const { warnings } = loadConfig('receiver', { ...receiver, ...slips, ...strangers });
    expect(warnings.map(({ variable }) => variable)).toEqual(Object.keys(slips));
  });
});

describe('the addresses of Redis', () => {
  it.each([
    'redis://localhost:6379',
    'rediss://:p%2Cw@redis.internal:6380/2',
    'redis://a:1,redis://b:2,c:3',
    'redis://[::1]:6379',
    'sentinel://:pw@s1:26379,s2:26379/mymaster',
  ])('may be %s', (url) => {
    expect(loadConfig('receiver', { ...receiver, REDIS_URL: url }).REDIS_URL).toBe(url);
  });

  it.each(['localhost:6379', 'http://redis', 'redis://', 'sentinel://s1:26379', 'redis://a:1, b:2'])(
    'may not be %s',
    (url) => {
      expect(problemsOf('receiver', { ...receiver, REDIS_URL: url })[0]).toMatch(/^REDIS_URL must be/);
    },
  );
});

describe('the summary for the start log', () => {
  it('shows hosts and settings that differ from the default, and no secret', () => {
    const text = summarizeConfig(loadConfig('worker', { ...worker, WORKER_CONCURRENCY: '4' }));
    expect(text).toContain('REDIS_URL=rediss://redis.internal:6379');
    expect(text).toContain('DATABASE_URL=postgres://db.internal/lean');
    expect(text).toContain('LEAN_APP_TOKEN=set');
    expect(text).toContain('PAYLOAD_KEYS=set(1)');
    expect(text).toContain('WORKER_CONCURRENCY=4');
    expect(text).not.toContain('LOG_LEVEL');
    expect(text).not.toContain('\n');
    for (const secret of [key, 'token-1', 'p%40ss']) expect(text).not.toContain(secret);
    expect(summarizeConfig(loadConfig('receiver', receiver))).not.toMatch(/hunter2|old-secret|new-secret/);
  });
});
