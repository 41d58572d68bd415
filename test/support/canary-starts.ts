// Starts that must fail, each with a secret where something else should be, or with one that is wrong. Gives what was
// said on both outputs; a start that succeeds is an error.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { nodeCommand, root, runProcess } from './processes.ts';
import type { WatchedDeployment } from './watched-deployment.ts';

type SecretName =
  | 'appToken'
  | 'webhookSecret'
  | 'clientSecret'
  | 'databasePassword'
  | 'redisPassword'
  | 'payloadKey'
  | 'token';
type Secrets = Readonly<Record<SecretName, string>>;

interface Start {
  readonly program: 'receiver' | 'worker' | 'migrate';
  readonly changes: Readonly<Record<string, string>>;
}

const atATime = 2;

export async function failStarts(deployment: WatchedDeployment, secrets: Secrets): Promise<string[]> {
  const starts = await wrongStarts(deployment, secrets);
  const said: string[] = [];
  for (let from = 0; from < starts.length; from += atATime) {
    const some = starts.slice(from, from + atATime).map((start) => failStart(deployment, start));
    said.push(...(await Promise.all(some)));
  }
  return said;
}

async function failStart({ settings }: WatchedDeployment, { program, changes }: Start): Promise<string> {
  const usual = program === 'receiver' ? settings.receiver : settings.worker;
  const { code, stdout, stderr } = await runProcess({
    command: nodeCommand(`src/main-${program}.ts`),
    cwd: root,
    env: { PORT: '0', ...usual, ...changes },
  });
  if (code === 0) throw new Error(`${program} ended well with ${Object.keys(changes).join(', ')} wrong`);
  return `${stdout}${stderr}`;
}

async function wrongStarts({ dir, settings }: WatchedDeployment, secrets: Secrets): Promise<Start[]> {
  const {
    appToken,
    webhookSecret,
    clientSecret,
    databasePassword: password,
    redisPassword,
    payloadKey,
    token,
  } = secrets;
  const file = path.join(dir, 'no-material.pem');
  const noPem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(token.repeat(20)).toString('base64')}\n-----END PRIVATE KEY-----\n`;
  await writeFile(file, noPem);
  const journal = { JOURNAL_DIR: path.join(dir, 'another-journal') };
  const receiver = (changes: Start['changes']): Start => ({
    program: 'receiver',
    changes: { ...journal, ...changes },
  });
  const worker = (changes: Start['changes']): Start => ({ program: 'worker', changes });
  const databaseUrl = settings.worker['DATABASE_URL'] ?? '';
  return [
    receiver({ LEAN_WEBHOOK_SECRET: `${webhookSecret} ${token}`, PAYLOAD_KEYS: payloadKey.slice(1) }),
    receiver({
      REDIS_URL: `http://:${redisPassword}@127.0.0.1`,
      VERIFY: token,
      PORT: token,
      WEBHOOK_PATH: token,
    }),
    receiver({ REDIS_URL: `redis://:${redisPassword}@`, HOST: token, LEAN_CLIENT_NAMES: token }),
    receiver({ TLS_KEY_FILE: file }),
    receiver({ LEAN_WEBHOOK_SECRET: '', LEAN_WEBHOOK_SECRET_FILE: dir }),
    worker({ LEAN_CLIENT_SECRET: clientSecret, LEAN_CERT_FILE: '', LEAN_APP_TOKEN: `${appToken} ${token}` }),
    worker({ LEAN_APP_TOKEN: `${token}-of-another-installation` }),
    worker({ DATABASE_URL: databaseUrl.replace(password, token) }),
    worker({ DATABASE_URL: databaseUrl.replace(password, `${password}/x`) }),
    worker({ DATABASE_URL: databaseUrl.replace(password, `12/${token}`) }),
    worker({ LEAN_KEY_FILE: file }),
    worker({ REDIS_URL: `redis://:${redisPassword}@127.0.0.1:99999`, LEAN_API_URL: `http://${token}` }),
    { program: 'migrate', changes: { DATABASE_URL: databaseUrl.replace(password, token) } },
    {
      program: 'migrate',
      changes: { DATABASE_URL: databaseUrl.replace('127.0.0.1', `${password}@127.0.0.1:1@a`) },
    },
    { program: 'migrate', changes: { LEAN_APP_TOKEN: `${token}-of-another-installation` } },
  ];
}
