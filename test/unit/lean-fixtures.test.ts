import { describe, expect, it } from 'vitest';
import {
  canonicalAccountSchema,
  canonicalBalanceSchema,
  canonicalTransactionSchema,
} from '../../src/core/canonical.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { judgeReply, type ReplySource } from '../../src/lean/lean-reply.ts';
import { readResults } from '../../src/lean/lean-results.ts';
import { normalizeAccounts } from '../../src/lean/normalize-account.ts';
import { normalizeBalances } from '../../src/lean/normalize-balance.ts';
import { normalizeEntity } from '../../src/lean/normalize-entity.ts';
import { normalizeTransactions } from '../../src/lean/normalize-transaction.ts';
import { readEnvelope } from '../../src/lean/webhook-envelope.ts';
import { wireEntitySchema } from '../../src/lean/wire-entity.ts';
import { wirePaymentEventSchema } from '../../src/lean/wire-payment.ts';
import { isTerminalRefresh, wireRefreshSchema } from '../../src/lean/wire-refresh.ts';
import { webhookPayloadSchemas } from '../../src/lean/wire-webhook.ts';
import { leanFixtureNames, readLeanFixture } from '../fixtures/lean/index.ts';

function named(pattern: RegExp): string[] {
  return leanFixtureNames.filter((name) => pattern.test(name));
}

function judge<Data>(name: string, read: (source: ReplySource) => Data | null) {
  const { bodyText } = readLeanFixture(name);
  return judgeReply({
    operation: 'results',
    result: { kind: 'reply', httpStatus: 200, headers: {}, bodyText },
    durationMs: 1,
    nowMs: 0,
    isEnveloped: true,
    read,
  });
}

const firstPage = { page: 0, belongsTo: {} };

function servicersOf(name: string) {
  const reply = judge(name, (source) => readPage(source, listKinds.accounts, firstPage));
  if (reply.kind !== 'ok') throw new Error(reply.kind);
  return normalizeAccounts(reply.items).map(({ servicer, warnings }) => [
    servicer?.identification,
    servicer?.bic,
    warnings.includes('BIC_INVALID'),
  ]);
}

describe('captured and documented data', () => {
  it.each(named(/^v2-.*response-accounts/))('%s becomes canonical accounts', (name) => {
    const reply = judge(name, (source) => readPage(source, listKinds.accounts, firstPage));
    if (reply.kind !== 'ok') throw new Error(reply.kind);
    expect(reply.unreadable).toEqual([]);
    const accounts = normalizeAccounts(reply.items);
    expect(accounts.length).toBeGreaterThan(0);
    for (const account of accounts) canonicalAccountSchema.parse(account);
  });

  it.each(named(/^v2-.*response-balances/))('%s becomes canonical balances, each at its own time', (name) => {
    const reply = judge(name, (source) => readPage(source, listKinds.balances, firstPage));
    if (reply.kind !== 'ok') throw new Error(reply.kind);
    const { records, unreadable } = normalizeBalances(reply.items, reply);
    expect([...unreadable, ...reply.unreadable]).toEqual([]);
    expect(records).toHaveLength(reply.items.length);
    for (const balance of records) canonicalBalanceSchema.parse(balance);
    const source = name.includes('-old-') ? 'timestamp' : 'date_time';
    expect(new Set(records.map((balance) => balance.reportedAtSource))).toEqual(new Set([source]));
  });

  it.each(named(/^v2-.*response-transactions/))('%s becomes canonical transactions', (name) => {
    const reply = judge(name, (source) => readPage(source, listKinds.transactions, firstPage));
    if (reply.kind !== 'ok') throw new Error(reply.kind);
    expect(reply.unreadable).toEqual([]);
    const rows = normalizeTransactions(reply.items);
    expect(rows).toHaveLength(reply.items.length);
    for (const row of rows) {
      canonicalTransactionSchema.parse(row);
      expect(row).toMatchObject({
        amountMinor: expect.any(String),
        bookingDate: expect.any(String),
        // Only bodies of 2023 name no zone; they write local midnight as a time in UTC.
        warnings: name.includes('-old-') ? ['TIME_ZONE_MISSING'] : [],
      });
      expect(row.creditDebitIndicator).not.toBeNull();
    }
  });

  it('keeps amount, day, other side and raw text of a transaction exactly', () => {
    const reply = judge('v2-ksa-response-transactions-openapi', (source) =>
      readPage(source, listKinds.transactions, firstPage),
    );
    if (reply.kind !== 'ok') throw new Error(reply.kind);
    const row = normalizeTransactions(reply.items)[1];
    expect(row).toMatchObject({
      transactionId: 'a1b2c3d4-e5f6-7890-abcd-ef1234567890',
      amount: '450.5',
      amountMinor: '45050',
      currency: 'SAR',
      creditDebitIndicator: 'DEBIT',
      status: 'BOOKED',
      mutability: 'MUTABLE',
      bookingDate: '2025-08-05',
      description: 'SAUDI ELECTRICITY COMPANY - BILL PAYMENT',
      counterparty: { name: 'Saudi Electricity Company', agent: { identification: 'NCBKSAJE' } },
    });
    expect(row?.raw).toContain('"amount": 30230.75');
  });

  it('reads the debit that the old dialect writes as -50 as an unsigned 50 DEBIT', () => {
    const reply = judge('v2-uae-old-response-transactions-verbose', (source) =>
      readPage(source, listKinds.transactions, firstPage),
    );
    if (reply.kind !== 'ok') throw new Error(reply.kind);
    expect(normalizeTransactions(reply.items)[0]).toMatchObject({
      amount: '50',
      creditDebitIndicator: 'DEBIT',
      category: 'TRANSFER',
      bookingDate: '2023-10-01',
    });
  });

  it('tells what kind of results came back', () => {
    expect(judge('v2-ksa-response-results-legacy', readResults)).toMatchObject({
      kind: 'ok',
      dataType: 'accounts',
    });
  });

  it.each([
    ['v2-ksa-response-account-identities', 'identities'],
    ['v2-ksa-response-beneficiaries', 'beneficiaries'],
    ['v2-ksa-response-direct-debits', 'direct_debits'],
    ['v2-ksa-response-standing-orders', 'standing_orders'],
    ['v2-ksa-response-scheduled-payments', 'scheduled_payments'],
    ['v2-ksa-response-identity-openapi', 'identities'],
  ])('%s would be read as %s among results too', (name, dataType) => {
    expect(judge(name, readResults)).toMatchObject({ kind: 'ok', dataType });
  });

  it('keeps the BIC of a servicer only where there is one', () => {
    expect(servicersOf('v2-uae-response-accounts')[0]).toEqual(['Lean Mockbank', null, true]);
    expect(servicersOf('v2-uae-response-accounts-openapi')[0]).toEqual(['EBILAEAD', 'EBILAEAD', false]);
  });

  it('knows that there are more pages', () => {
    const name = 'v2-uae-response-transactions';
    const reply = judge(name, (source) => readPage(source, listKinds.transactions, firstPage));
    expect(reply).toMatchObject({ isLastPage: false, page: { total_pages: 6 } });
    const other = judge(name, (source) =>
      readPage(source, listKinds.transactions, { page: 3, belongsTo: {} }),
    );
    expect(other).toMatchObject({ kind: 'failed', failure: { code: 'LEAN_REPLY_UNREADABLE' } });
  });
});

describe('entities and refreshes', () => {
  it.each(named(/response-entity/))('%s becomes a canonical entity with sorted permissions', (name) => {
    const wire = wireEntitySchema.parse(parseLossless(readLeanFixture(name).bodyText));
    const entity = normalizeEntity(wire);
    expect(entity.permissions).toEqual(entity.permissions?.toSorted());
    expect(entity.permissions).toContain('accounts');
  });

  it.each(named(/response-entities/))('%s holds entities that can be read', (name) => {
    const body = parseLossless(readLeanFixture(name).bodyText);
    const list: unknown = Array.isArray(body) ? body : Object(body).data;
    for (const item of Array.isArray(list) ? list : [null]) {
      expect(wireEntitySchema.safeParse(item).success).toBe(true);
    }
  });

  it('gives an entity the same permissions from a webhook as from the API', () => {
    const envelope = readEnvelope(Buffer.from(readLeanFixture('v2-uae-webhook-entity.created').bodyText));
    if (envelope.kind !== 'readable') throw new Error(envelope.kind);
    expect(normalizeEntity(wireEntitySchema.parse(envelope.payload))).toEqual({
      entityId: '3f372561-ff0c-483d-b624-5e39b118e5b9',
      customerId: 'e3e56fe9-1cfc-4f05-b434-7994a5b66e5a',
      appUserId: 'lean_test_framework_user_1041778600396499',
      bankIdentifier: 'LEAN_OF_RETAIL_UAE',
      bankName: 'Lean Open Finance MockBank',
      permissions: ['accounts', 'identity'],
    });
  });

  it('holds a refresh for done on FINISHED and on OK alone', () => {
    const statuses = named(/webhook-entity\.data\.refresh/).map((name) => {
      const envelope = readEnvelope(Buffer.from(readLeanFixture(name).bodyText));
      return envelope.kind === 'readable' ? wireRefreshSchema.parse(envelope.payload).status : null;
    });
    expect(new Set(statuses)).toEqual(new Set(['FINISHED', 'OK']));
    expect(['FINISHED', 'OK', 'PENDING', 'FAILED', null].map(isTerminalRefresh)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('answers without data', () => {
  it.each([
    ['v2-response-pending-200', 'fed7bac9-b039-4ae6-aef2-5eab54b97e50'],
    ['v2-response-pending-202', 'df73d596-7138-46df-af96-cbcbe9a8af59'],
    ['v1-response-pending', '6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4'],
    ['v1-response-pending-later-doc', '6dd9c7d2-1c8c-4862-bb1f-fcf52f5033d4'],
  ])('%s is pending', (name, resultsId) => {
    expect(judge(name, readResults)).toMatchObject({ kind: 'pending', resultsId });
  });

  it.each([
    ['v2-response-failed-bank-issue-200', 'LEAN_BANK_ISSUE', 'retry', null],
    ['v2-response-failed-bank-issue-200-no-data-key', 'LEAN_BANK_ISSUE', 'retry', null],
    [
      'v2-uae-response-reconnect-required',
      'RECONNECT_REQUIRED',
      'stop_entity',
      '7a16ac21-e09c-4d5f-b56a-ff68b26202cc',
    ],
    [
      'v1-response-reconnect-required',
      'RECONNECT_REQUIRED',
      'stop_entity',
      '20afcfd3-7ee3-44b8-9d6e-bf74b259fb90',
    ],
    [
      'v2-response-refresh-reconnect-required-200',
      'RECONNECT_REQUIRED',
      'stop_entity',
      '14ced864-13fa-481a-a785-7b6d84788aff',
    ],
    ['v2-ksa-response-consent-expired', 'CONSENT_EXPIRED', 'stop_entity', null],
  ])('%s with HTTP 200 is %s and never an empty list', (name, code, action, reconnectId) => {
    expect(judge(name, readResults)).toMatchObject({
      kind: 'failed',
      failure: { code, action, reconnectId },
    });
  });

  it('takes OK without a list for unreadable, never for an empty one', () => {
    for (const data of ['null', '{}', '{"transactions":null}', '{"transactions":{}}']) {
      const reply = judgeReply({
        operation: 'transactions',
        result: { kind: 'reply', httpStatus: 200, headers: {}, bodyText: `{"status":"OK","data":${data}}` },
        durationMs: 1,
        nowMs: 0,
        isEnveloped: true,
        read: (source) => readPage(source, listKinds.transactions, firstPage),
      });
      expect(reply).toMatchObject({
        kind: 'failed',
        failure: { code: 'LEAN_REPLY_UNREADABLE', action: 'retry' },
      });
    }
  });
});

describe('things this service does not keep', () => {
  it.each([
    'v0-response-identity',
    'v1-response-customer',
    'v1-response-end-user',
    'v2-response-customer',
    'v2-uae-response-consent-details',
    'v2-uae-response-consent-history',
    'v2-uae-response-payment',
    'v2-uae-response-payment-source',
    'v2-uae-response-payout',
    'v2-uae-response-refunds-created',
    'v2-response-oauth-token-api',
    'v2-response-oauth-token-customer',
  ])('%s is never taken for bank data', (name) => {
    expect(judge(name, readResults).kind).toBe('failed');
  });

  it.each(named(/webhook-payment/).filter((name) => name !== 'v2-uae-webhook-payment.transaction-partial'))(
    '%s is read as far as its ids',
    (name) => {
      const envelope = readEnvelope(Buffer.from(readLeanFixture(name).bodyText));
      if (envelope.kind !== 'readable') throw new Error(envelope.kind);
      const payload = wirePaymentEventSchema.parse(envelope.payload);
      expect(payload.id ?? payload.intent_id).toEqual(expect.any(String));
      expect(Object.keys(webhookPayloadSchemas)).toContain(envelope.type);
    },
  );
});

describe('the fixtures', () => {
  it('name their source and keep the spelling of numbers', () => {
    expect(leanFixtureNames.length).toBe(95);
    for (const name of leanFixtureNames) expect(readLeanFixture(name).bodyText.length).toBeGreaterThan(2);
  });
});
