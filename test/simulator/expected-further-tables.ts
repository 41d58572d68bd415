// What the tables of people, orders, consents and banks must hold, told by the generator's own data and nothing of the
// service's code. A row that has no id of Lean's is compared by everything else: its key is null here and in the query.
import { simulatedBanks, availableBank, type BankAvailability, type SimulatedBank } from './banks.ts';
import { consentsOf } from './consents.ts';
import type { SimulatedAccount, SimulatedCustomers, SimulatedEntity } from './customers.ts';
import { inOrder, utc, withoutTrailingZeros, type ExpectedRow } from './expected-tables.ts';
import type { SimulatedCreditor } from './orders.ts';
import type { SimulatedIdentity } from './people.ts';

export const furtherTables = [
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
  'consents',
  'banks',
] as const;
export type FurtherTable = (typeof furtherTables)[number];
export type ExpectedFurtherTables = Readonly<Record<FurtherTable, readonly ExpectedRow[]>>;

export interface FurtherFacts {
  /** Default: every bank is available. */
  availabilityOf?: (bank: SimulatedBank) => BankAvailability;
}

/** Rows of lists that Lean no longer has are marked as removed by the service and not among these. */
export function expectedFurtherTables(
  customers: SimulatedCustomers,
  { availabilityOf = availableBank }: FurtherFacts = {},
): ExpectedFurtherTables {
  const { entities } = customers;
  const accounts = entities.flatMap((entity) => entity.accounts.map((account) => ({ entity, account })));
  const ofAccounts = (rows: (owned: AccountOfEntity) => ExpectedRow[], id: string) =>
    inOrder(accounts.flatMap(rows), ['entity_id', 'account_id', id]);
  const identities = [
    ...entities.map((entity) => expectedIdentity({ entity, accountId: '' }, entity.identity)),
    ...accounts.flatMap(({ entity, account }) =>
      account.identities.map((one) => expectedIdentity({ entity, accountId: account.accountId }, one)),
    ),
  ];
  return {
    identities: inOrder(identities, ['entity_id', 'account_id', 'party_key']),
    beneficiaries: ofAccounts(expectedBeneficiaries, 'beneficiary_id'),
    direct_debits: ofAccounts(expectedDirectDebits, 'direct_debit_id'),
    standing_orders: ofAccounts(expectedStandingOrders, 'standing_order_id'),
    scheduled_payments: ofAccounts(expectedScheduledPayments, 'scheduled_payment_id'),
    consents: inOrder(entities.flatMap(expectedConsents), ['consent_id']),
    banks: inOrder(
      simulatedBanks.map((bank) => expectedBank(bank, availabilityOf(bank))),
      ['bank_identifier'],
    ),
  };
}

/** One query a table with the very columns of `expectedFurtherTables`, all of them text. */
export function furtherTablesSql(schema: string): Readonly<Record<FurtherTable, string>> {
  const from = (table: FurtherTable) => `from "${schema.replaceAll('"', '""')}".${table}`;
  const ofAccounts = (table: FurtherTable, id: string) => `${from(table)} where removed_at is null
    order by entity_id collate "C", account_id collate "C", coalesce(${key(id)}, '') collate "C"`;
  const creditor = `creditor_account->>'scheme_name' as creditor_scheme,
      creditor_account->>'identification' as creditor_identification, creditor_account->>'name' as creditor_name,
      creditor_agent->>'identification' as creditor_agent`;
  return {
    identities: `select entity_id, account_id, ${key('party_key')} as party_key, customer_id, full_name, name,
      national_id, birth_date::text as birth_date, gender, email, phone, mobile_number,
      address->>'address_line' as address_line, address->>'town_name' as town_name,
      address->>'country' as country, account_role, party_type ${ofAccounts('identities', 'party_key')}`,
    beneficiaries: `select entity_id, account_id, ${key('beneficiary_id')} as beneficiary_id, customer_id,
      beneficiary_type, account_holder_name, reference, ${creditor} ${ofAccounts('beneficiaries', 'beneficiary_id')}`,
    direct_debits: `select entity_id, account_id, ${key('direct_debit_id')} as direct_debit_id, customer_id, name,
      status, frequency, mandate_identification, ${payment('previous_payment')}
      ${ofAccounts('direct_debits', 'direct_debit_id')}`,
    standing_orders: `select entity_id, account_id, ${key('standing_order_id')} as standing_order_id, customer_id,
      status, standing_order_type, purpose, reference, frequency_type, frequency_interval,
      number_of_payments::text as number_of_payments, ${payment('first_payment')}, ${payment('last_payment')},
      ${payment('next_payment')}, ${payment('final_payment')}, ${creditor}
      ${ofAccounts('standing_orders', 'standing_order_id')}`,
    scheduled_payments: `select entity_id, account_id, ${key('scheduled_payment_id')} as scheduled_payment_id,
      customer_id, scheduled_type, debtor_reference, reference, ${payment('scheduled_payment')}, ${creditor}
      ${ofAccounts('scheduled_payments', 'scheduled_payment_id')}`,
    consents: `select consent_id, entity_id, customer_id, bank_consent_id, status,
      ${utc('created_at_bank')} as created_at_bank, ${utc('expires_at')} as expires_at,
      ${utc('transactions_from')} as transactions_from, ${utc('transactions_to')} as transactions_to,
      array_to_string(permissions, ',') as permissions ${from('consents')} order by consent_id collate "C"`,
    banks: `select bank_identifier, name, bank_type, account_type, country, bic, is_mock::text as is_mock,
      active_data::text as active_data, enabled_data::text as enabled_data,
      active_payments::text as active_payments, enabled_payments::text as enabled_payments
      ${from('banks')} order by bank_identifier collate "C"`,
  };
}

/** An id of Lean's; null where the service had to make one of the content. */
function key(column: string): string {
  return `case when ${column} like 'fp\\_%' then null else ${column} end`;
}

function payment(name: string): string {
  return `${utc(`${name}_at`)} as ${name}_at, trim_scale(${name}_amount)::text as ${name}_amount,
      ${name}_currency`;
}

interface AccountOfEntity {
  entity: SimulatedEntity;
  account: SimulatedAccount;
}

/** `accountId` is empty for who gave the consent. */
function expectedIdentity(
  { entity, accountId }: { entity: SimulatedEntity; accountId: string },
  identity: SimulatedIdentity,
): ExpectedRow {
  return {
    entity_id: entity.entityId,
    account_id: accountId,
    party_key: identity.partyId,
    customer_id: entity.customerId,
    full_name: identity.fullLegalName,
    name: identity.name,
    national_id: identity.nationalId,
    birth_date: identity.birthDate,
    gender: genderOf(identity.gender),
    email: identity.email,
    phone: identity.phone ?? identity.mobileNumber,
    mobile_number: identity.mobileNumber,
    address_line: identity.address.addressLine,
    town_name: identity.address.townName,
    country: identity.address.country,
    account_role: identity.accountRole,
    party_type: identity.partyType,
  };
}

function expectedBeneficiaries(owned: AccountOfEntity): ExpectedRow[] {
  return owned.account.orders.beneficiaries.map((one) => ({
    ...keyOf(owned, 'beneficiary_id', one.id),
    beneficiary_type: one.type,
    account_holder_name: one.holderName,
    reference: one.reference,
    ...creditorColumns(one.creditor),
  }));
}

function expectedDirectDebits(owned: AccountOfEntity): ExpectedRow[] {
  return owned.account.orders.directDebits.map((one) => ({
    ...keyOf(owned, 'direct_debit_id', one.id),
    name: one.name,
    status: one.status,
    frequency: one.frequency,
    mandate_identification: one.mandate,
    ...paymentColumns('previous_payment', {
      at: one.previousAt,
      money: one.previousAmount === null ? null : { amount: one.previousAmount, currency: one.currency },
    }),
  }));
}

function expectedStandingOrders(owned: AccountOfEntity): ExpectedRow[] {
  return owned.account.orders.standingOrders.map((one) => ({
    ...keyOf(owned, 'standing_order_id', one.id),
    status: one.status,
    standing_order_type: one.type,
    purpose: one.purpose,
    reference: one.reference,
    frequency_type: one.frequencyType,
    frequency_interval: one.interval,
    number_of_payments: one.numberOfPayments === null ? null : String(one.numberOfPayments),
    ...paymentColumns('first_payment', { at: one.firstAt, money: one }),
    ...paymentColumns('last_payment', { at: one.lastAt, money: one }),
    ...paymentColumns('next_payment', { at: one.nextAt, money: one.nextAt === null ? null : one }),
    ...paymentColumns('final_payment', { at: one.finalAt, money: one }),
    ...creditorColumns(one.creditor),
  }));
}

function expectedScheduledPayments(owned: AccountOfEntity): ExpectedRow[] {
  return owned.account.orders.scheduledPayments.map((one) => ({
    ...keyOf(owned, 'scheduled_payment_id', one.id),
    scheduled_type: one.type,
    debtor_reference: one.debtorReference,
    reference: one.reference,
    ...paymentColumns('scheduled_payment', { at: one.at, money: one }),
    ...creditorColumns(one.creditor),
  }));
}

function expectedConsents(entity: SimulatedEntity): ExpectedRow[] {
  return consentsOf(entity).map((consent) => ({
    consent_id: consent.consentId,
    entity_id: entity.entityId,
    customer_id: entity.customerId,
    bank_consent_id: consent.bankConsentId,
    status: consent.status,
    created_at_bank: inMilliseconds(consent.createdAt),
    expires_at: inMilliseconds(consent.expiresAt),
    transactions_from: inMilliseconds(consent.transactionsFrom),
    transactions_to: inMilliseconds(consent.transactionsTo),
    permissions: consent.permissions.toSorted().join(','),
  }));
}

function expectedBank(bank: SimulatedBank, { active, enabled }: BankAvailability): ExpectedRow {
  return {
    bank_identifier: bank.identifier,
    name: bank.name,
    bank_type: bank.bankType,
    account_type: bank.accountType,
    country: countries[bank.countryCode] ?? null,
    bic: bank.swiftCode,
    is_mock: 'true',
    active_data: String(active.data),
    enabled_data: String(enabled.data),
    active_payments: String(active.payments),
    enabled_payments: String(enabled.payments),
  };
}

/** ISO 3166-1 alpha-2 of the codes `GET /banks/v1` has. */
const countries: Readonly<Record<string, string>> = { ARE: 'AE', SAU: 'SA' };

function keyOf({ entity, account }: AccountOfEntity, column: string, id: string | null): ExpectedRow {
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    [column]: id,
    customer_id: entity.customerId,
  };
}

function creditorColumns({ account, agent }: SimulatedCreditor): ExpectedRow {
  return {
    creditor_scheme: account?.schemeName ?? null,
    creditor_identification: account?.identification ?? null,
    creditor_name: account?.name ?? null,
    creditor_agent: agent?.identification ?? null,
  };
}

function paymentColumns(
  name: string,
  { at, money }: { at: string | null; money: { amount: string; currency: string } | null },
): ExpectedRow {
  return {
    [`${name}_at`]: at === null ? null : inMilliseconds(at),
    [`${name}_amount`]: money && withoutTrailingZeros(money.amount),
    [`${name}_currency`]: money && money.currency,
  };
}

/** FEMALE or MALE for every spelling; an empty text says nothing. */
function genderOf(written: string | null): string | null {
  const spelled: Readonly<Record<string, string>> = { F: 'FEMALE', M: 'MALE', '': '' };
  const word = written === null ? null : (spelled[written] ?? written);
  return word === '' ? null : word;
}

/** As the queries spell it. */
function inMilliseconds(instant: string): string {
  return new Date(instant).toISOString();
}
