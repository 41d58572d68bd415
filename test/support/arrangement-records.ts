// Canonical people, orders, consents and banks for tests, plain ones unless told otherwise. All of them are invented.
import { createHash } from 'node:crypto';
import type { CanonicalBank, CanonicalConsent } from '../../src/core/canonical-access.ts';
import type {
  CanonicalBeneficiary,
  CanonicalDirectDebit,
  CanonicalScheduledPayment,
  CanonicalStandingOrder,
} from '../../src/core/canonical-orders.ts';
import type { CanonicalIdentity } from '../../src/core/canonical-people.ts';
import type { FactOrder } from '../../src/store/entity-store.ts';
import { upsertBanks } from '../../src/store/bank-store.ts';
import { upsertBeneficiaries } from '../../src/store/beneficiary-store.ts';
import { upsertConsents } from '../../src/store/consent-store.ts';
import type { Database } from '../../src/store/database.ts';
import { upsertDirectDebits } from '../../src/store/direct-debit-store.ts';
import { upsertIdentities } from '../../src/store/identity-store.ts';
import { noAccount } from '../../src/store/listed-item-store.ts';
import { requestRefresh } from '../../src/store/refresh-request-store.ts';
import { upsertScheduledPayments } from '../../src/store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../../src/store/standing-order-store.ts';
import { customerId, entityId, instant } from './sync-records.ts';

/** The hash covers what the test says, as the normalizers' does. */
function hashed<Item extends object>(key: string, item: Item): Item & { contentHash: string } {
  const text = JSON.stringify([key, item], (_name, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  return { ...item, contentHash: createHash('sha256').update(text).digest('hex') };
}

const lean = { idSource: 'lean' as const, warnings: [] };
const creditor = {
  creditorAccount: { name: 'Bobbi', scheme_name: 'IBAN', identification: 'AE07', iban: null },
  creditorAgent: null,
};
const payment = {
  at: instant('2026-02-05T08:13:48.155Z'),
  date: '2026-02-05',
  amount: '123456789012345678.0000000001',
  currency: 'KWD',
};
const none = { at: null, date: null, amount: null, currency: null };

export function identity(partyKey: string, facts: Partial<CanonicalIdentity> = {}): CanonicalIdentity {
  return hashed(partyKey, {
    partyKey,
    partyKeySource: 'lean' as const,
    partyId: partyKey,
    partyNumber: null,
    fullName: 'Sara Ali',
    name: null,
    nationalId: '784-1990-1234567-1',
    birthDate: '1990-01-02',
    birthDateText: '1990-01-02',
    gender: 'FEMALE',
    genderText: 'F',
    email: 'sara@example.com',
    phone: null,
    mobileNumber: null,
    address: null,
    accountRole: null,
    partyType: 'SOLE',
    legalStructure: null,
    raw: `{"party_id":"${partyKey}"}`,
    warnings: [],
    ...facts,
  });
}

export function beneficiary(
  beneficiaryId: string,
  facts: Partial<CanonicalBeneficiary> = {},
): CanonicalBeneficiary {
  return hashed(beneficiaryId, {
    ...lean,
    ...creditor,
    beneficiaryId,
    beneficiaryType: 'TRUSTED',
    accountHolderName: null,
    reference: 'Rent',
    raw: `{"beneficiary_id":"${beneficiaryId}"}`,
    ...facts,
  });
}

export function directDebit(
  directDebitId: string,
  facts: Partial<CanonicalDirectDebit> = {},
): CanonicalDirectDebit {
  return hashed(directDebitId, {
    ...lean,
    directDebitId,
    name: 'Water',
    status: 'ACTIVE',
    frequency: 'MONTHLY',
    mandateIdentification: null,
    previousPayment: payment,
    raw: `{"direct_debit_id":"${directDebitId}"}`,
    ...facts,
  });
}

export function standingOrder(
  standingOrderId: string,
  facts: Partial<CanonicalStandingOrder> = {},
): CanonicalStandingOrder {
  return hashed(standingOrderId, {
    ...lean,
    ...creditor,
    standingOrderId,
    status: 'ACTIVE',
    standingOrderType: 'CHARITY',
    purpose: null,
    reference: null,
    frequencyType: 'OTHER',
    frequencyInterval: 'IntervalDay:5',
    numberOfPayments: 36,
    firstPayment: payment,
    lastPayment: none,
    nextPayment: payment,
    finalPayment: none,
    raw: `{"standing_order_id":"${standingOrderId}"}`,
    ...facts,
  });
}

export function scheduledPayment(
  scheduledPaymentId: string,
  facts: Partial<CanonicalScheduledPayment> = {},
): CanonicalScheduledPayment {
  return hashed(scheduledPaymentId, {
    ...lean,
    ...creditor,
    scheduledPaymentId,
    scheduledType: 'ARRIVAL',
    payment,
    debtorReference: null,
    reference: null,
    raw: `{"scheduled_payment_id":"${scheduledPaymentId}"}`,
    ...facts,
  });
}

export function consent(consentId: string, facts: Partial<CanonicalConsent> = {}): CanonicalConsent {
  return {
    consentId,
    entityId: null,
    customerId: null,
    bankConsentId: null,
    bankIdentifier: null,
    consentType: null,
    status: 'ACTIVE',
    standardStatus: null,
    createdAtBank: instant('2026-05-01T00:00:00Z'),
    statusUpdatedAt: null,
    expiresAt: instant('2027-05-01T00:00:00Z'),
    transactionsFrom: null,
    transactionsTo: null,
    permissions: ['accounts', 'balance'],
    raw: `{"id":"${consentId}"}`,
    warnings: [],
    ...facts,
  };
}

export function bank(bankIdentifier: string, facts: Partial<CanonicalBank> = {}): CanonicalBank {
  return {
    bankIdentifier,
    name: 'Bank of Tests',
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
    raw: `{"identifier":"${bankIdentifier}"}`,
    warnings: [],
    ...facts,
  };
}

export function orderAt(time: string, key = 'reply'): FactOrder {
  return { ns: instant(time).ns, key, source: 'reply' };
}

/** One row of a customer in every table of people, orders and consents, and a request; and a bank. */
export async function fillArrangements(database: Database): Promise<void> {
  const refreshedAt = instant('2026-05-10T12:00:00Z');
  const list = { entityId, accountId: 'a', customerId, syncId: 's', refreshedAt, keyRing: null };
  const order = orderAt('2026-05-10T12:00:00Z');
  const facts = { order, source: 'item' as const, keyRing: null };
  await database.transaction(async (inside) => {
    const people = { ...list, accountId: noAccount, items: [identity('p')] };
    await upsertIdentities(database, inside, people);
    await upsertBeneficiaries(database, inside, { ...list, items: [beneficiary('b')] });
    await upsertDirectDebits(database, inside, { ...list, items: [directDebit('d')] });
    await upsertStandingOrders(database, inside, { ...list, items: [standingOrder('s')] });
    await upsertScheduledPayments(database, inside, { ...list, items: [scheduledPayment('p')] });
    await upsertConsents(database, inside, { ...facts, entityId, customerId, consents: [consent('c')] });
    await upsertBanks(database, inside, { ...facts, banks: [bank('B')] });
    await requestRefresh(database, inside, entityId);
  });
}

/** Places of three things in every order. */
export const everyOrderOfThree = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;
