// Every body that Lean documents or was seen to send is consumed as the service would meet it: over TLS in answer to the
// call it belongs to, judged, and where it is bank data stored. A fixture that belongs to no call here fails the test.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { leanFixtureNames, leanWebhookFixtureNames, readLeanFixture } from '../fixtures/lean/index.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { sendJson, startLeanTls, type AskedOfLean, type LeanTls } from '../support/lean-tls.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { clearSyncTables, createSyncParts, readRun } from '../support/sync-parts.ts';
import { testKeyRing } from '../support/worker-parts.ts';

let pki: Pki;
let lean: LeanTls;
let opened: TestDatabase;
let answer: (asked: AskedOfLean) => { body: string; status: number };
const clients: LeanClient[] = [];

beforeAll(async () => {
  [pki, opened] = await Promise.all([testPki(), openTestDatabase()]);
  lean = await startLeanTls(pki, (asked, response) => {
    const { body, status } = answer(asked);
    sendJson(response, body, status);
  });
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(async () => {
  await lean.close();
  await opened.drop();
});

function openClient(apiVersion: 'v1' | 'v2', clientSecret?: string): LeanClient {
  const shared = { apiUrl: lean.url, authUrl: lean.url, appToken: 'app-token', apiVersion, clientSecret };
  const client = createLeanClient({ ...shared, material: { caPem: pki.leanChainPem } });
  clients.push(client);
  return client;
}

const ids = { entityId: 'e-1', accountId: 'a-1', customerId: 'cu-1' };
const first = { page: 0 };

type Call = (client: LeanClient) => Promise<unknown>;
const results: Call = (client) => client.getResults({ resultsId: 'r-1' });
const accounts: Call = (client) => client.getAccounts({ ...ids, ...first });
const refresh: Call = (client) => client.startRefresh(ids);

const failed = (code: string, reconnectId: string | null = null) => ({
  kind: 'failed',
  failure: { code, reconnectId },
});
/** Nothing of it is taken for bank data. */
const unreadable = failed('LEAN_REPLY_UNREADABLE');
const pending = (resultsId: string) => ({ kind: 'pending', resultsId });

interface Judged {
  readonly name: string;
  readonly call: Call;
  readonly expected: object;
}

function entityOf(name: string): Call {
  const { id, customer_id: customerId } = Object(JSON.parse(readLeanFixture(name).bodyText));
  return (client) => client.getEntity({ entityId: String(id), customerId: String(customerId) });
}

function customerOf(name: string): Call {
  const [entity] = Object(JSON.parse(readLeanFixture(name).bodyText));
  return (client) => client.getEntities({ customerId: String(Object(entity).customer_id) });
}

const dates: Call = (client) => client.getEntitiesByDate({ from: '2026-01-01', to: '2026-05-31', ...first });
const refreshesOf =
  (entityId: string): Call =>
  (client) =>
    client.getRefreshes({ entityId, ...first });

const judged: readonly Judged[] = [
  ...[
    'v0-response-identity',
    'v1-response-customer',
    'v1-response-end-user',
    'v2-response-customer',
    'v2-response-oauth-token-customer',
    'v2-uae-response-consent-details',
    'v2-uae-response-consent-history',
    'v2-uae-response-payment',
    'v2-uae-response-payment-source',
    'v2-uae-response-payout',
    'v2-uae-response-refunds-created',
  ].map((name) => ({ name, call: results, expected: unreadable })),
  ...['v2-uae-response-entity', 'v2-ksa-response-entity', 'v1-response-entity'].map((name) => ({
    name,
    call: entityOf(name),
    expected: { kind: 'ok' },
  })),
  ...['v2-uae-response-entities-of-customer', 'v2-ksa-response-entities-of-customer'].map((name) => ({
    name,
    call: customerOf(name),
    expected: { kind: 'ok', unreadable: [] },
  })),
  ...['v2-uae-response-entities-by-date', 'v2-ksa-response-entities-by-date'].map((name) => ({
    name,
    call: dates,
    expected: { kind: 'ok', unreadable: [] },
  })),
  {
    name: 'v2-uae-response-banks',
    call: (client) => client.getBanks(),
    expected: { kind: 'ok', unreadable: [] },
  },
  {
    name: 'v2-uae-response-events-page',
    call: (client) => client.getEvents(first),
    expected: { kind: 'ok', unreadable: [] },
  },
  {
    name: 'v2-ksa-response-refresh-list',
    call: refreshesOf('a5b20a61-157a-400e-8588-738523ba6431'),
    expected: { kind: 'ok', unreadable: [] },
  },
  {
    name: 'v2-response-refresh-list-with-pending',
    call: refreshesOf('206b7203-d5ef-4790-a2de-9356e03795da'),
    expected: { kind: 'ok', unreadable: [] },
  },
  {
    name: 'v2-ksa-response-refresh-status',
    call: (client) =>
      client.getRefresh({
        refreshId: '721d6010-828f-4b30-9039-4c72ad6906a8',
        entityId: '206b7203-d5ef-4790-a2de-9356e03795da',
      }),
    expected: { kind: 'ok', refresh: { status: 'FINISHED' } },
  },
  { name: 'v2-ksa-response-refresh-triggered', call: refresh, expected: { kind: 'ok' } },
  {
    name: 'v2-response-refresh-reconnect-required-200',
    call: refresh,
    expected: failed('RECONNECT_REQUIRED', '14ced864-13fa-481a-a785-7b6d84788aff'),
  },
  { name: 'v2-ksa-response-results-legacy', call: results, expected: { kind: 'ok', dataType: 'accounts' } },
  {
    name: 'v2-response-pending-200',
    call: accounts,
    expected: pending('fed7bac9-b039-4ae6-aef2-5eab54b97e50'),
  },
  {
    name: 'v2-response-pending-202',
    call: accounts,
    expected: pending('df73d596-7138-46df-af96-cbcbe9a8af59'),
  },
  {
    name: 'v1-response-pending',
    call: accounts,
    expected: pending('6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4'),
  },
  {
    name: 'v1-response-pending-later-doc',
    call: accounts,
    expected: pending('6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4'),
  },
  {
    name: 'v1-response-accounts-partial',
    call: accounts,
    expected: { kind: 'ok', unreadable: [], isLastPage: true },
  },
  {
    name: 'v1-response-identity-partial',
    call: (client) => client.getIdentity(ids),
    expected: { kind: 'ok', unreadable: [] },
  },
  {
    name: 'v1-response-reconnect-required',
    call: accounts,
    expected: failed('RECONNECT_REQUIRED', '20afcfd3-7ee3-44b8-9d6e-bf74b259fb90'),
  },
  {
    name: 'v2-uae-response-reconnect-required',
    call: accounts,
    expected: failed('RECONNECT_REQUIRED', '7a16ac21-e09c-4d5f-b56a-ff68b26202cc'),
  },
  { name: 'v2-ksa-response-consent-expired', call: accounts, expected: failed('CONSENT_EXPIRED') },
  { name: 'v2-response-failed-bank-issue-200', call: accounts, expected: failed('LEAN_BANK_ISSUE') },
  {
    name: 'v2-response-failed-bank-issue-200-no-data-key',
    call: accounts,
    expected: failed('LEAN_BANK_ISSUE'),
  },
  { name: 'v2-error-400-invalid-parameters', call: accounts, expected: failed('LEAN_REQUEST_REFUSED') },
  { name: 'v2-error-403-consent-expired', call: accounts, expected: failed('CONSENT_EXPIRED') },
  { name: 'v2-error-404-unknown-account', call: accounts, expected: failed('LEAN_ACCOUNT_UNKNOWN') },
  { name: 'v2-error-404-unknown-entity', call: accounts, expected: failed('LEAN_ENTITY_UNKNOWN') },
  { name: 'v2-error-404-unknown-results-id', call: results, expected: failed('LEAN_RESULTS_UNKNOWN') },
  { name: 'v2-error-409-customer-already-exists', call: accounts, expected: failed('LEAN_REQUEST_REFUSED') },
  { name: 'v2-error-429-duplicated-request', call: refresh, expected: failed('LEAN_DUPLICATED_REQUEST') },
  { name: 'v2-error-500-internal', call: accounts, expected: failed('LEAN_SERVER_ERROR') },
];

/** Lists of bank data, by the part of the fixture's name that says what they are. */
const lists = {
  accounts: { path: /\/accounts\?/, table: 'accounts' },
  balances: { path: /\/balances\?/, table: 'balances' },
  transactions: { path: /\/transactions\?/, table: 'transactions' },
  identity: { path: /\/data\/v2\/identity\?/, table: 'identities' },
  'account-identities': { path: /\/identities\?/, table: 'identities' },
  beneficiaries: { path: /\/beneficiaries\?/, table: 'beneficiaries' },
  'direct-debits': { path: /\/direct-debits\?/, table: 'direct_debits' },
  'standing-orders': { path: /\/standing-orders\?/, table: 'standing_orders' },
  'scheduled-payments': { path: /\/scheduled-payments\?/, table: 'scheduled_payments' },
} as const;
type ListName = keyof typeof lists;

const stored = leanFixtureNames.flatMap((name) => {
  const kind = /^v2-(?:uae|uae-old|ksa)-response-(?<kind>[a-z-]+?)(?:-openapi|-verbose)?$/.exec(name)?.groups;
  const list = Object.keys(lists).find((one): one is ListName => one === kind?.['kind']);
  return list === undefined ? [] : [{ name, list }];
});

const tokenFixture = 'v2-response-oauth-token-api';

it('every fixture that is no webhook belongs to exactly one call, and every webhook to the rows of webhooks', () => {
  const here = [...judged, ...stored].map(({ name }) => name);
  expect([...here, tokenFixture, ...leanWebhookFixtureNames].toSorted()).toEqual(leanFixtureNames);
});

describe('a reply that is no list of bank data', () => {
  it.each(judged)('$name is judged as what it is', async ({ name, call, expected }) => {
    const status = Number(/-(?:error-|pending-)(?<status>\d{3})/.exec(name)?.groups?.['status'] ?? 200);
    answer = () => ({ body: readLeanFixture(name).bodyText, status });
    expect(await call(openClient(name.startsWith('v1-') ? 'v1' : 'v2'))).toMatchObject(expected);
  });

  it(`${tokenFixture} opens the calls after it`, async () => {
    const { bodyText } = readLeanFixture(tokenFixture);
    answer = ({ url }) => ({ body: url === '/oauth2/token' ? bodyText : '[]', status: 200 });
    lean.asked.length = 0;
    expect(await openClient('v2', 'secret').getBanks()).toMatchObject({ kind: 'ok' });
    const { access_token: token } = Object(JSON.parse(bodyText));
    expect(lean.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, `Bearer ${token}`]);
  });
});

describe('a list of bank data', () => {
  it.each(stored)('$name ends as rows of its table', async ({ name, list }) => {
    await clearSyncTables(opened.database);
    // Lists were cut short in the fixtures, so the page is the only one.
    const body = readLeanFixture(name).bodyText.replace(/"total_pages": \d+/, '"total_pages": 1');
    const entityId = /"entity_id": "(?<id>[^"]+)"/.exec(body)?.groups?.['id'] ?? 'entity';
    const accountId = /"account_id": "(?<id>[^"]+)"/.exec(body)?.groups?.['id'] ?? 'account';
    const { path, table } = lists[list];
    answer = ({ url }) => ({ body: path.test(url) ? body : emptyList(url, accountId), status: 200 });
    const callLean = createCallLean({ client: openClient('v2'), transactionHistoryDays: undefined });
    const kind = list === 'account-identities' ? 'identity' : list.replace('-', '_');
    const syncData = ['accounts', kind];
    const parts = createSyncParts(opened.database, { callLean, keyRing: testKeyRing, syncData });
    const { syncId } = await parts.request({ entityId });
    await parts.drain();
    expect(await readRun(opened.database, syncId)).toMatchObject({ state: 'done', failure_code: null });
    const rows = await opened.database.db.selectFrom(table).select('entity_id').execute();
    expect(rows.length).toBeGreaterThan(0);
    expect(new Set(rows.map((row) => row.entity_id))).toEqual(new Set([entityId]));
  });
});

/** Of every kind nothing, but the one account. */
function emptyList(url: string, accountId: string): string {
  const kind = /\/(?<kind>[a-z-]+)\?/.exec(url)?.groups?.['kind'] ?? '';
  const member = kind === 'identity' ? 'identities' : kind.replace('-', '_');
  const items = kind === 'accounts' ? [{ account_id: accountId }] : [];
  const page = { number: 0, size: 100, total_elements: items.length, total_pages: 1 };
  return JSON.stringify({ status: 'OK', timestamp: '2026-05-13T19:42:30Z', data: { [member]: items, page } });
}
