// A person's IBAN, account number and name, and every secret of a deployment, sent along every way in and out that there
// is, good and bad. Then everything the service wrote is searched: they are where they belong and nowhere else.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { createSearcher } from '../support/canaries.ts';
import { failStarts } from '../support/canary-starts.ts';
import { callLeanAndFail, quoteRefusedRows, sendEverything, type Stage } from '../support/canary-ways.ts';
import { engines } from '../support/engines.ts';
import { filesBelow, postgresKept, redisKept, type Piece } from '../support/everything-kept.ts';
import { readLines } from '../support/log-lines.ts';
import {
  randomSecrets,
  startWatchedDeployment,
  type Serving,
  type WatchedDeployment,
} from '../support/watched-deployment.ts';

const settleMs = 300_000;
const letters = randomBytes(6).toString('hex').replaceAll(/\d/g, 'q');
const customers = generateCustomers({
  seed: letters,
  entities: 12,
  accounts: 1,
  transactions: 30,
  region: 'ae',
});
const account = customers.entities[0]?.accounts[0];
const holder = `Zäyneb Qanari-${letters}`;
if (account) account.holderName = holder;

const secrets = randomSecrets();
const personal = { iban: account?.iban ?? '', accountNumber: account?.bban ?? '', name: holder };
const canaries = {
  ...personal,
  ...secrets,
  token: `tok-${letters}`,
  clientSecret: `client-secret-${letters}`,
};
const search = createSearcher(canaries);

/** Columns for the application, which it reads by these names; everything else about a customer is sealed. */
const belongsIn = [
  'accounts.account_holder_name',
  'accounts.description',
  'accounts.iban',
  'accounts.identifiers',
];

let deployment: WatchedDeployment;
const replies: string[] = [];
const kept: { journal: Piece[]; redis: Piece[] } = { journal: [], redis: [] };
const ended: string[] = [];

async function look(): Promise<void> {
  const { redis, dir } = deployment;
  kept.journal.push(...(await filesBelow(path.join(dir, 'journal'))));
  kept.redis.push(...(await redisKept(`redis://:${secrets.redisPassword}@127.0.0.1:${redis.port}`)));
}

/** With the token that opens the operator's pages, and with one that does not. */
async function askOperations({ opsUrl }: Serving): Promise<void> {
  const jobs = ['webhook-intake', 'webhook-events', 'lean-sync'].flatMap((queue) =>
    ['latest', 'waiting', 'active', 'delayed', 'completed', 'failed'].map(
      (status) => `/queues/api/queues?activeQueue=${queue}&status=${status}&page=1&jobsPerPage=100`,
    ),
  );
  for (const [token, addresses] of [
    [
      canaries.token,
      ['/metrics', '/readyz', '/livez', '/status', '/queues', `/${canaries.iban}?${canaries.token}`],
    ],
    [secrets.opsToken, ['/status', '/queues', ...jobs]],
  ] as const) {
    const headers = { authorization: `Bearer ${token}`, 'x-name': encodeURIComponent(holder) };
    for (const address of addresses)
      replies.push(await (await fetch(`${opsUrl}${address}`, { headers })).text());
  }
}

function placesOf(pieces: readonly Piece[]): string[] {
  const found = pieces.flatMap(({ place, bytes }) => search.in(bytes).map((name) => `${place}: ${name}`));
  return [...new Set(found)].toSorted();
}

describe.skipIf(!engines.canStart.redis || !engines.canStart.postgres)('a customer and the secrets', () => {
  beforeAll(async () => {
    deployment = await startWatchedDeployment({ customers, secrets });
    const receiver = await deployment.start('receiver', {
      BODY_LIMIT_BYTES: '65536',
      OPS_TOKEN: secrets.opsToken,
    });
    const stage: Stage = { deployment, customers, canaries, receiver, replies };
    await quoteRefusedRows(stage);
    await sendEverything(stage);
    // What waits for a worker is in the journal and in Redis now.
    await look();
    await askOperations(receiver);
    const worker = await deployment.start('worker', { OPS_TOKEN: secrets.opsToken });
    await callLeanAndFail(stage, worker, look);
    for (const serving of [receiver, worker]) await askOperations(serving);
    ended.push(...(await failStarts(deployment, canaries)));
    await look();
    for (const { process } of [receiver, worker]) process.kill('SIGTERM');
    await Promise.all([receiver, worker].map(({ process }) => process.exited));
    await look();
  }, settleMs);
  afterAll(() => deployment.close());

  it('are found by this search under any spelling, so that not finding them means something', () => {
    for (const [name, canary] of Object.entries(canaries)) {
      const bytes = Buffer.from(`{"before":"${canary}"}`);
      for (const spelled of [
        bytes,
        bytes.toString('hex'),
        bytes.toString('base64'),
        bytes.subarray(1).toString('base64'),
        bytes.subarray(2).toString('base64url'),
        encodeURIComponent(canary),
        Buffer.from(canary, 'utf16le'),
      ])
        expect(search.in(spelled)).toContain(name);
    }
    expect(search.in('nobody')).toEqual([]);
  });

  it('are in no line that a process wrote', () => {
    const { processes } = deployment;
    for (const { process } of processes) {
      expect(search.in(process.stdout())).toEqual([]);
      expect(search.in(process.stderr())).toEqual([]);
    }
    const lines = processes.flatMap(({ process }) => readLines(process.stdout()));
    const outcomes = new Set(lines.map(({ fields }) => fields['outcome']));
    const tried = [
      'accepted',
      'SIGNATURE_INVALID',
      'SIGNATURE_MISSING',
      'BODY_TOO_LARGE',
      'NOT_FOUND',
      'failed',
      'ok',
    ];
    expect(tried.filter((outcome) => !outcomes.has(outcome))).toEqual([]);
  });

  it('are in no answer to a caller, in no metric and in nothing else the operations listener says', () => {
    expect(replies.length).toBeGreaterThan(20);
    expect(replies.join('\n')).toContain('lean_webhook_deliveries_total');
    expect(replies.join('\n')).toContain('Status of this worker');
    expect(replies.join('\n')).toContain('"name":"webhook-intake"');
    expect(search.in(replies.join('\n'))).toEqual([]);
  });

  it('are in nothing that a start with wrong settings says', () => {
    expect(ended.length).toBeGreaterThan(10);
    expect(ended.filter((said) => said.trim() === '')).toEqual([]);
    expect(search.in(ended.join('\n'))).toEqual([]);
  });

  it('are in no file of the journal', () => {
    expect(kept.journal.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(50_000);
    expect(placesOf(kept.journal)).toEqual([]);
  });

  it('are under no key of Redis and in none of its files', () => {
    expect(kept.redis.some(({ bytes }) => bytes.includes('failedReason'))).toBe(true);
    expect(placesOf(kept.redis)).toEqual([]);
  });

  it('are in the columns of Postgres that are for the application, and in no other', async () => {
    const places = placesOf(await postgresKept(deployment.database, deployment.schema));
    expect([...new Set(places.map((place) => place.split(': ')[0]))]).toEqual(belongsIn);
    const secretNames = Object.keys(canaries).filter((name) => !Object.hasOwn(personal, name));
    expect(places.filter((place) => secretNames.some((name) => place.endsWith(name)))).toEqual([]);
  });
});
