import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  canonicalBeneficiarySchema,
  canonicalDirectDebitSchema,
  canonicalScheduledPaymentSchema,
  canonicalStandingOrderSchema,
} from '../../src/core/canonical-orders.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import { readList, type WireItem } from '../../src/lean/read-list.ts';
import { wireDirectDebitSchema, wireScheduledPaymentSchema } from '../../src/lean/wire-orders.ts';
import { firstPage, readFixture } from '../support/lean-replies.ts';

function itemsOf<Schema extends z.ZodType>(
  schema: Schema,
  items: readonly unknown[],
): WireItem<z.output<Schema>>[] {
  const bodyText = JSON.stringify({ items });
  const list = readList({ bodyText, body: parseLossless(bodyText), path: ['items'], schema });
  return list?.items ?? [];
}

const hash = expect.stringMatching(/^[0-9a-f]{64}$/);
const gulf = {
  name: null,
  scheme_name: 'BICFI',
  identification: 'KSAOB.SAGULF',
  bic: null,
  postal_address: null,
};

describe('captured beneficiaries', () => {
  const page = readFixture('v2-ksa-response-beneficiaries', (source) =>
    readPage(source, listKinds.beneficiaries, firstPage),
  );
  const rows = normalizeBeneficiaries(page.items);

  it('are kept with whom they pay, at which bank and where it is', () => {
    expect(page).toMatchObject({ unreadable: [], isLastPage: true, isEndKnown: true });
    expect(rows).toHaveLength(2);
    for (const row of rows) canonicalBeneficiarySchema.parse(row);
    expect(rows[0]).toEqual({
      beneficiaryId: '196784',
      idSource: 'lean',
      beneficiaryType: 'OTHER',
      accountHolderName: 'Ahmed Mohammed Al-Saud',
      reference: 'KSA_OB_ACTIVATED',
      creditorAccount: {
        name: 'Mallie',
        scheme_name: 'PAN',
        identification: 'SA5008GC7NKG2J9JDX2A9DE7',
        iban: null,
      },
      creditorAgent: {
        name: 'The Saudi British Bank',
        scheme_name: 'BICFI',
        identification: 'KSAOB.SASABB',
        bic: null,
        postal_address: {
          address_line: 'P.O. Box 9084, Riyadh',
          address_type: 'BUSINESS',
          building_type: null,
          building_name: null,
          building_number: '9084',
          apartment_or_villa_number: null,
          street: null,
          street_address: null,
          area: null,
          department: null,
          sub_department: null,
          post_code: '11413',
          po_box: null,
          town_name: 'Riyadh',
          region: null,
          country: 'SA',
          country_text: 'Saudi Arabia',
        },
      },
      contentHash: hash,
      raw: expect.stringContaining('"beneficiary_id": "196784"'),
      warnings: ['BIC_INVALID'],
    });
  });

  it('show an IBAN only where its check digits are right', () => {
    expect(rows[1]).toMatchObject({
      beneficiaryId: '196785',
      accountHolderName: null,
      creditorAccount: { name: 'Bobbi', identification: 'AE760185915983174738861' },
    });
    const iban = rows[1]?.creditorAccount?.iban ?? null;
    expect(rows[1]?.warnings.includes('IBAN_INVALID')).toBe(iban === null);
  });
});

describe('captured direct debits', () => {
  it('are kept with their last payment', () => {
    const page = readFixture('v2-ksa-response-direct-debits', (source) =>
      readPage(source, listKinds.directDebits, firstPage),
    );
    const rows = normalizeDirectDebits(page.items);
    for (const row of rows) canonicalDirectDebitSchema.parse(row);
    expect(rows).toEqual([
      {
        directDebitId: '289616fc-c3ae-4647-a446-ffb7792ace1e',
        idSource: 'lean',
        name: 'Melda Schumm',
        status: 'ACTIVE',
        frequency: 'MONTHLY',
        mandateIdentification: 'lzzEftQmOiW',
        previousPayment: {
          at: {
            text: '2022-01-20T00:00:00Z',
            at: '2022-01-20T00:00:00.000Z',
            ns: 1_642_636_800_000_000_000n,
          },
          date: '2022-01-20',
          amount: '136.13',
          currency: 'SAR',
        },
        contentHash: hash,
        raw: expect.stringContaining('136.13'),
        warnings: [],
      },
      expect.objectContaining({
        directDebitId: '7cf7c25e-d1ce-4ff4-b9ef-6b31e66ebf3b',
        status: 'INACTIVE',
        frequency: 'HALF_YEARLY',
        previousPayment: expect.objectContaining({ date: '2024-01-29', amount: '351.81' }),
      }),
    ]);
  });
});

describe('captured standing orders', () => {
  it('are kept with all four payments, their digits as written', () => {
    const page = readFixture('v2-ksa-response-standing-orders', (source) =>
      readPage(source, listKinds.standingOrders, firstPage),
    );
    const rows = normalizeStandingOrders(page.items);
    for (const row of rows) canonicalStandingOrderSchema.parse(row);
    expect(rows).toMatchObject([
      {
        standingOrderId: '2435ce14-5169-45f5-a82b-1fdc33ef1851',
        idSource: 'lean',
        status: 'ACTIVE',
        standingOrderType: 'LOCAL_BANK_TRANSFER',
        purpose: 'lzzEftQmOiW',
        reference: null,
        frequencyType: 'OTHER',
        frequencyInterval: 'IntervalDay:5',
        numberOfPayments: 36,
        firstPayment: { date: '2022-02-05', amount: '10.0', currency: 'SAR' },
        lastPayment: { date: '2023-02-05', amount: '10.0', currency: 'SAR' },
        nextPayment: { at: { text: '2025-02-04T08:13:48.155Z' }, amount: '10.0' },
        finalPayment: { date: '2026-02-04' },
        creditorAccount: null,
        creditorAgent: gulf,
        warnings: ['BIC_INVALID'],
      },
      {
        standingOrderId: '06a30961-bdc9-47e8-9413-c2cf430b5e11',
        status: 'INACTIVE',
        standingOrderType: 'CHARITY',
        frequencyInterval: 'EveryWorkingDay',
        numberOfPayments: 42,
      },
    ]);
  });
});

describe('captured scheduled payments', () => {
  it('are kept with their day, which is that of arrival or of execution', () => {
    const page = readFixture('v2-ksa-response-scheduled-payments', (source) =>
      readPage(source, listKinds.scheduledPayments, firstPage),
    );
    const rows = normalizeScheduledPayments(page.items);
    for (const row of rows) canonicalScheduledPaymentSchema.parse(row);
    expect(rows).toMatchObject([
      {
        scheduledPaymentId: 'd676a003-2830-4a04-8c43-0083de3e7619',
        idSource: 'lean',
        scheduledType: 'ARRIVAL',
        payment: { date: '2024-02-09', amount: '537.34', currency: 'SAR' },
        debtorReference: 'lzzEftQmOiW',
        reference: null,
        creditorAgent: gulf,
        creditorAccount: { scheme_name: 'IBAN', identification: 'SA3631901775285632919444', name: null },
      },
      {
        scheduledPaymentId: '181a5489-522b-4c4b-ac7a-9c2421b6bed1',
        scheduledType: 'EXECUTION',
        payment: { date: '2024-02-15', amount: '536.62' },
      },
    ]);
  });
});

describe('orders', () => {
  it('without an id of the bank get a fingerprint that a different spelling does not change', () => {
    const amount = { currency: 'sar', amount: 10 };
    const [first] = normalizeDirectDebits(
      itemsOf(wireDirectDebitSchema, [{ name: 'N', previous_payment_amount: amount }]),
    );
    const bodyText =
      '{"items":[{"name":"N","previous_payment_amount":{"amount":10.00,"currency":"SAR"},"new":1}]}';
    const other = readList({
      bodyText,
      body: parseLossless(bodyText),
      path: ['items'],
      schema: wireDirectDebitSchema,
    });
    const [second] = normalizeDirectDebits(other?.items ?? []);
    expect(first).toMatchObject({
      directDebitId: expect.stringMatching(/^fp_[0-9a-f]{64}$/),
      idSource: 'fingerprint',
      warnings: ['ITEM_ID_MISSING'],
    });
    expect(second?.directDebitId).toBe(first?.directDebitId);
    expect(second?.contentHash).toBe(first?.contentHash);
  });

  it('lose a sign, and never a payment, to an amount that is odd', () => {
    const rows = normalizeScheduledPayments(
      itemsOf(wireScheduledPaymentSchema, [
        { scheduled_payment_id: 'a', instructed_amount: { amount: -5.5, currency: 'AED' } },
        { scheduled_payment_id: 'b', instructed_amount: { amount: 'much', currency: 'AED' } },
        { scheduled_payment_id: 'c', scheduled_payment_date_time: '2024-02-30T00:00:00Z' },
        { scheduled_payment_id: 'd', scheduled_payment_date_time: '2024-02-28' },
      ]),
    );
    expect(rows.map(({ payment, warnings }) => [payment.amount, payment.date, warnings])).toEqual([
      ['5.5', null, ['AMOUNT_SIGNED']],
      [null, null, ['AMOUNT_UNREADABLE']],
      [null, null, ['DATE_UNREADABLE']],
      [null, '2024-02-28', []],
    ]);
  });
});
