import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalBankSchema, canonicalConsentSchema } from '../../src/core/canonical-access.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { readConsents, readEntity } from '../../src/lean/lean-things.ts';
import { isOpenForData, normalizeBank, normalizeBanks } from '../../src/lean/normalize-bank.ts';
import { normalizeConsent, normalizeConsents } from '../../src/lean/normalize-consent.ts';
import { readEnvelope } from '../../src/lean/webhook-envelope.ts';
import { wireBankSchema } from '../../src/lean/wire-bank.ts';
import { wireConsentSchema } from '../../src/lean/wire-consent.ts';
import { webhookPayloadSchemas } from '../../src/lean/wire-webhook.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { firstPage, readFixture } from '../support/lean-replies.ts';

const bare = { isEnveloped: false };

describe('consents of an entity', () => {
  it.each(['v2-uae-response-entity', 'v2-ksa-response-entity'])('%s: are read from its own text', (name) => {
    const { entity, bodyText } = readFixture(name, (source) => readEntity(source, idOf(name)), bare);
    const { items, unreadable } = readConsents(bodyText);
    expect(unreadable).toEqual([]);
    expect(items.length).toBeGreaterThan(0);
    for (const consent of normalizeConsents(items)) {
      canonicalConsentSchema.parse(consent);
      expect(consent).toMatchObject({ status: expect.stringMatching(/^(ACTIVE|REVOKED)$/), warnings: [] });
      expect(consent.permissions).toEqual(consent.permissions?.toSorted());
    }
    expect(entity.bank_type).toBe('RETAIL');
  });

  it('v2-uae-response-entities-of-customer: the window, the end and what is granted', () => {
    const page = readFixture(
      'v2-uae-response-entities-of-customer',
      (source) => readPage(source, listKinds.entities, firstPage),
      bare,
    );
    expect(page).toMatchObject({ unreadable: [], isLastPage: true, isEndKnown: true });
    expect(page.items.map(({ raw }) => normalizeConsents(readConsents(raw).items))).toEqual([
      [
        {
          consentId: 'e4b3cb7a-5822-4ceb-bbf8-4afa0fda3590',
          entityId: null,
          customerId: null,
          bankConsentId: '1128432d-ad47-49b9-b91e-b8ce60bac399',
          bankIdentifier: null,
          consentType: null,
          status: 'ACTIVE',
          standardStatus: null,
          createdAtBank: expect.objectContaining({ text: '2026-05-13T19:38:19.624059Z' }),
          statusUpdatedAt: expect.objectContaining({ text: '2026-05-13T19:38:19.624059Z' }),
          expiresAt: expect.objectContaining({ at: '2027-05-13T19:38:19.481Z' }),
          transactionsFrom: expect.objectContaining({ at: '2025-05-14T19:38:19.481Z' }),
          transactionsTo: expect.objectContaining({ at: '2027-05-13T19:38:19.481Z' }),
          permissions: ['accounts', 'balance', 'identity', 'transactions'],
          raw: expect.stringContaining('AE270200712989310470056'),
          warnings: [],
        },
      ],
    ]);
  });

  it('v2-ksa-response-entities-by-date: an entity may be ACTIVE while its only consent is REVOKED', () => {
    const page = readFixture(
      'v2-ksa-response-entities-by-date',
      (source) => readPage(source, listKinds.entitiesByDate, firstPage),
      bare,
    );
    expect(page.items[0]?.wire).toMatchObject({
      status: 'ACTIVE',
      updated_at: '2026-04-13T13:34:37.559481Z',
    });
    const [consent] = normalizeConsents(readConsents(page.items[0]?.raw ?? '').items);
    expect(consent).toMatchObject({
      consentId: '8e50a1d6-53dd-4182-ba76-627322b1d7bc',
      status: 'REVOKED',
      statusUpdatedAt: { text: '2026-04-15T00:00:03.542392Z' },
    });
  });

  it('v2-ksa-response-entities-of-customer: are all there', () => {
    const page = readFixture(
      'v2-ksa-response-entities-of-customer',
      (source) => readPage(source, listKinds.entities, firstPage),
      bare,
    );
    for (const { raw } of page.items) {
      for (const consent of normalizeConsents(readConsents(raw).items)) canonicalConsentSchema.parse(consent);
    }
    expect(page.items.length).toBeGreaterThan(0);
  });

  it('are none where an entity does not speak of them, or its text is none', () => {
    expect(readConsents(readLeanFixture('v1-response-entity').bodyText)).toEqual({
      items: [],
      unreadable: [],
    });
    expect(readConsents('<html>')).toEqual({ items: [], unreadable: [] });
  });
});

describe('a consent', () => {
  it('v2-uae-response-consent-details: is read under the names of the UAE consents API too', () => {
    const { bodyText } = readLeanFixture('v2-uae-response-consent-details');
    const consent = normalizeConsent({
      wire: wireConsentSchema.parse(parseLossless(bodyText)),
      raw: bodyText,
    });
    expect(consent).toMatchObject({
      consentId: '86fe0be5-f7b4-45dd-9efd-4117481bf59d',
      customerId: 'fe158075-97f9-4e30-a8b9-641597b689d6',
      status: 'AWAITING_AUTHORISATION',
      createdAtBank: { text: '2026-05-12T08:40:44.701443Z' },
      expiresAt: { text: '2027-05-11T08:40:44.701443Z' },
      permissions: null,
      warnings: [],
    });
  });

  it('is read from the payload of consent.status.updated (synthetic: no example is documented)', () => {
    const payload =
      '{"id":"c-1","customer_id":"cu-1","status":"REVOKED","consent_type":"ACCOUNT_ACCESS","account_id":null}';
    const wire = wireConsentSchema.parse(parseLossless(payload));
    expect(normalizeConsent({ wire, raw: payload })).toMatchObject({
      consentId: 'c-1',
      customerId: 'cu-1',
      status: 'REVOKED',
      consentType: 'ACCOUNT_ACCESS',
      expiresAt: null,
      permissions: null,
    });
  });

  it('becomes canonical whatever the wire schema accepts', () => {
    const names = [
      'id',
      'consent_id',
      'consent_status',
      'status',
      'permissions',
      'expiration_date_time',
      'bank_consent_id',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (item) => {
        const raw = JSON.stringify(item);
        const wire = wireConsentSchema.safeParse(parseLossless(raw));
        if (!wire.success) return;
        expect(canonicalConsentSchema.safeParse(normalizeConsent({ wire: wire.data, raw })).success).toBe(
          true,
        );
      }),
    );
  });
});

function isOpen(active: unknown, enabled: unknown) {
  const raw = JSON.stringify({
    identifier: 'B',
    availability: { active: { data: active }, enabled: { data: enabled } },
  });
  return isOpenForData(normalizeBank({ wire: wireBankSchema.parse(parseLossless(raw)), raw }));
}

describe('banks', () => {
  it('v2-uae-response-banks: are kept with their four switches', () => {
    const page = readFixture(
      'v2-uae-response-banks',
      (source) => readPage(source, listKinds.banks, firstPage),
      bare,
    );
    const banks = normalizeBanks(page.items);
    for (const bank of banks) canonicalBankSchema.parse(bank);
    expect(banks).toMatchObject([
      {
        bankIdentifier: 'LEAN_OF_RETAIL_UAE',
        name: 'Lean Open Finance MockBank',
        arabicName: null,
        bankType: 'RETAIL',
        accountType: 'PERSONAL',
        country: 'AE',
        bic: 'MOCKAE01',
        isMock: true,
        activeData: true,
        enabledData: true,
        activePayments: true,
        enabledPayments: true,
        warnings: [],
      },
      { bankIdentifier: 'LEANMB1_SAU', country: 'AE', activeData: true, enabledData: true },
    ]);
  });

  it.each([
    ['v2-ksa-webhook-bank.availability.updated-disabled', false],
    ['v2-ksa-webhook-bank.availability.updated-enabled', true],
  ])('%s: data can be had: %s; what it does not tell stays unknown', (name, expected) => {
    const envelope = readEnvelope(Buffer.from(readLeanFixture(name).bodyText));
    if (envelope.kind !== 'readable') throw new Error(envelope.kind);
    const wire = webhookPayloadSchemas['bank.availability.updated'].parse(envelope.payload);
    const bank = normalizeBank({ wire, raw: '' });
    expect(bank).toMatchObject({ bankIdentifier: expect.any(String), name: null, country: null });
    expect(isOpenForData(bank)).toBe(expected);
  });

  it('are open for data only where both switches say so', () => {
    expect([
      isOpen(true, true),
      isOpen(true, false),
      isOpen(false, null),
      isOpen(true, null),
      isOpen('yes', 1),
    ]).toEqual([true, false, false, null, null]);
  });

  it('become canonical whatever the wire schema accepts', () => {
    const names = Object.keys(wireBankSchema.shape);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (item) => {
        const raw = JSON.stringify(item);
        const wire = wireBankSchema.safeParse(parseLossless(raw));
        if (!wire.success) return;
        expect(canonicalBankSchema.safeParse(normalizeBank({ wire: wire.data, raw })).success).toBe(true);
      }),
    );
  });
});

function idOf(name: string): string {
  const body: unknown = JSON.parse(readLeanFixture(name).bodyText);
  return String(Object(body).id);
}
