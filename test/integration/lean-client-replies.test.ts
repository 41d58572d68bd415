import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLeanClient, type LeanClient } from '../../src/lean/lean-client.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { sendJson, startLeanTls, type LeanTls } from '../support/lean-tls.ts';
import { createPki, type Pki } from '../support/pki.ts';

let pki: Pki;
let lean: LeanTls;
let answer: { body: string; status: number };
const clients: LeanClient[] = [];

beforeAll(async () => {
  pki = await createPki();
  lean = await startLeanTls(pki, (_asked, response) => sendJson(response, answer.body, answer.status));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(() => lean.close());

function openClient(): LeanClient {
  const material = { caPem: pki.leanChainPem };
  const client = createLeanClient({ apiUrl: lean.url, appToken: 'app-token', material });
  clients.push(client);
  return client;
}

const entityId = 'e-1';
const customerId = 'cu-1';

describe('replies that are no bank data', () => {
  const uaeCustomer = 'e99f0ffd-33e1-4a4c-8313-3029cc2743c9';

  it("hands out a customer's entities, and none of another customer's", async () => {
    answer = { body: readLeanFixture('v2-uae-response-entities-of-customer').bodyText, status: 200 };
    const client = openClient();
    expect(await client.getEntities({ customerId: uaeCustomer })).toMatchObject({
      kind: 'ok',
      isLastPage: true,
      isEndKnown: true,
      items: [{ wire: { id: '14eb95ba-2b9d-41cb-82fe-7b1b3079021e', bank_type: 'RETAIL' } }],
    });
    expect(await client.getEntities({ customerId })).toMatchObject({ items: [], unreadable: [{}] });
  });

  it('hands out entities by date, page by page', async () => {
    const client = openClient();
    for (const name of ['v2-uae-response-entities-by-date', 'v2-ksa-response-entities-by-date']) {
      answer = { body: readLeanFixture(name).bodyText, status: 200 };
      const reply = await client.getEntitiesByDate({ from: '2026-01-01', to: '2026-05-31', page: 0 });
      expect(reply).toMatchObject({ kind: 'ok', unreadable: [], isLastPage: true, page: { size: 100 } });
    }
  });

  it('hands out refreshes: the list, one with its accounts, and the id of a new one', async () => {
    const client = openClient();
    const ksaEntity = 'a5b20a61-157a-400e-8588-738523ba6431';
    answer = { body: readLeanFixture('v2-ksa-response-refresh-list').bodyText, status: 200 };
    expect(await client.getRefreshes({ entityId: ksaEntity, page: 0 })).toMatchObject({
      kind: 'ok',
      isLastPage: true,
      items: [{ wire: { refresh_id: 'a7226d2e-1400-41a4-8132-c6f3a58f3847', status: 'FINISHED' } }, {}, {}],
    });
    const other = '206b7203-d5ef-4790-a2de-9356e03795da';
    answer = { body: readLeanFixture('v2-response-refresh-list-with-pending').bodyText, status: 200 };
    expect(await client.getRefreshes({ entityId: other, page: 0 })).toMatchObject({
      items: [{ wire: { status: 'PENDING' } }, { wire: { status: 'FINISHED' } }, {}, {}],
    });
    answer = { body: readLeanFixture('v2-ksa-response-refresh-status').bodyText, status: 200 };
    const refreshId = '721d6010-828f-4b30-9039-4c72ad6906a8';
    expect(await client.getRefresh({ refreshId, entityId: other })).toMatchObject({
      refresh: {
        status: 'FINISHED',
        data_status: {
          account_data: [
            {
              identity: 'FAILED',
              scheduled_payments: 'UNSUPPORTED',
              transaction_availability: { start: '2024-09-07', end: '2025-09-12' },
            },
          ],
        },
      },
    });
    expect(await client.getRefresh({ refreshId, entityId: ksaEntity })).toMatchObject({ kind: 'failed' });
    answer = { body: readLeanFixture('v2-ksa-response-refresh-triggered').bodyText, status: 200 };
    expect(await client.startRefresh({ entityId })).toMatchObject({
      kind: 'ok',
      refreshId: 'a7226d2e-1400-41a4-8132-c6f3a58f3847',
    });
  });

  it.each([
    ['v2-response-refresh-reconnect-required-200', 200, 'RECONNECT_REQUIRED'],
    ['v2-error-403-consent-expired', 403, 'CONSENT_EXPIRED'],
    ['v2-error-404-unknown-entity', 404, 'LEAN_ENTITY_UNKNOWN'],
    ['v2-error-429-duplicated-request', 429, 'LEAN_DUPLICATED_REQUEST'],
  ])('takes %s in place of a new refresh for %s %s', async (name, status, code) => {
    answer = { body: readLeanFixture(name).bodyText, status };
    expect(await openClient().startRefresh({ entityId })).toMatchObject({
      kind: 'failed',
      failure: { code },
    });
  });

  it('hands out past events with their own text', async () => {
    answer = { body: readLeanFixture('v2-uae-response-events-page').bodyText, status: 200 };
    const reply = await openClient().getEvents({ page: 0 });
    expect(reply).toMatchObject({
      kind: 'ok',
      isLastPage: false,
      page: { total_pages: 46, total_elements: 46 },
      items: [
        {
          wire: {
            event_id: '823a6f3c-8a24-4e95-9654-bfec21660c75',
            type: 'payment_source.beneficiary.created',
            timestamp: '2022-08-10T10:18:39.182841Z',
          },
          raw: expect.stringMatching(/^\{.*"payment_source_id".*\}$/s),
        },
      ],
    });
  });

  it('hands out banks, and takes consents in either form of a list', async () => {
    const client = openClient();
    answer = { body: readLeanFixture('v2-uae-response-banks').bodyText, status: 200 };
    expect(await client.getBanks()).toMatchObject({ kind: 'ok', items: [{}, {}], unreadable: [] });
    const consent = '{"id":"c-1","customer_id":"cu-1","consent_status":"ACTIVE"}';
    for (const body of [`[${consent}]`, `{"data":[${consent}],"page":{"number":0,"total_pages":1}}`]) {
      answer = { body, status: 200 };
      expect(await client.getConsents({ customerId })).toMatchObject({
        kind: 'ok',
        items: [{ wire: { id: 'c-1', consent_status: 'ACTIVE' }, raw: consent }],
      });
    }
    answer = { body: '{"status":"OK"}', status: 200 };
    expect(await client.getConsents({ customerId })).toMatchObject({
      failure: { code: 'LEAN_REPLY_UNREADABLE' },
    });
  });

  it('never takes an object or an error for an empty list', async () => {
    for (const body of ['{}', '{"data":null}', 'null', '7', '{"status":"CONSENT_EXPIRED"}']) {
      answer = { body, status: 200 };
      expect(await openClient().getEntities({ customerId })).toMatchObject({ kind: 'failed' });
      expect(await openClient().getBanks()).toMatchObject({ kind: 'failed' });
    }
  });
});
