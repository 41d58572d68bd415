// What the service's tables must hold once everything is processed, told by the generator's own data and nothing of
// the service's code: rows of plain text. The queries beside them read the same columns out of Postgres.
import type { SimulatedAccount, SimulatedCustomers, SimulatedEntity } from './customers.ts';
import { refreshedAtOf } from './refresh-words.ts';
import type { SimulatedTransaction } from './transactions.ts';

/** Column name to text, as the query of the same table gives it; null where the column is null. */
export type ExpectedRow = Readonly<Record<string, string | null>>;

export const comparedTables = ['entities', 'accounts', 'balances', 'transactions'] as const;
export type ComparedTable = (typeof comparedTables)[number];
export type ExpectedTables = Readonly<Record<ComparedTable, readonly ExpectedRow[]>>;

/**
 * The rows of every compared table, in the order of `comparedTablesSql`. Balances are those of the latest refresh:
 * after several synced refreshes the table keeps the earlier ones beside them.
 */
export function expectedTables(customers: SimulatedCustomers): ExpectedTables {
  const { entities } = customers;
  const accounts = entities.flatMap((entity) => entity.accounts.map((account) => ({ entity, account })));
  return {
    entities: inOrder(entities.map(expectedEntity), ['entity_id']),
    accounts: inOrder(accounts.map(expectedAccount), ['entity_id', 'account_id']),
    balances: inOrder(accounts.flatMap(expectedBalances), ['entity_id', 'account_id', 'balance_type']),
    transactions: inOrder(
      accounts.flatMap(({ entity, account }) =>
        account.transactions.map((transaction) => expectedTransaction({ entity, account, transaction })),
      ),
      ['entity_id', 'account_id', 'transaction_id'],
    ),
  };
}

/** An instant as the rows spell it. */
export const utc = (column: string) =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** One query a table with the very columns of `expectedTables`, all of them text; `schema` as in DATABASE_SCHEMA. */
export function comparedTablesSql(schema: string): Readonly<Record<ComparedTable, string>> {
  const from = (table: ComparedTable) => `from "${schema.replaceAll('"', '""')}".${table}`;
  return {
    entities: `select entity_id, customer_id, app_user_id, bank_identifier, bank_name,
      array_to_string(permissions, ',') as permissions, state ${from('entities')} order by entity_id collate "C"`,
    accounts: `select entity_id, account_id, customer_id, status, currency, account_type, account_sub_type, nickname,
      iban, servicer->>'identification' as servicer_identification, removed_at::text as removed_at
      ${from('accounts')} order by entity_id collate "C", account_id collate "C"`,
    balances: `select entity_id, account_id, customer_id, balance_type, currency, ${utc('reported_at')} as reported_at,
      reported_at_source, trim_scale(amount)::text as amount, credit_debit_indicator
      ${from('balances')} order by entity_id collate "C", account_id collate "C", balance_type collate "C"`,
    transactions: `select entity_id, account_id, transaction_id, customer_id, trim_scale(amount)::text as amount,
      currency, credit_debit_indicator, status, mutability, booked_at_text, booking_date::text as booking_date,
      description, reference, transaction_type, merchant_name, merchant_category_code, category,
      superseded_at::text as superseded_at
      ${from('transactions')} order by entity_id collate "C", account_id collate "C", transaction_id collate "C"`,
  };
}

function expectedEntity(entity: SimulatedEntity): ExpectedRow {
  return {
    entity_id: entity.entityId,
    customer_id: entity.customerId,
    app_user_id: entity.appUserId,
    bank_identifier: entity.bank.identifier,
    bank_name: entity.bank.name,
    permissions: entity.permissions.toSorted().join(','),
    state: 'active',
  };
}

function expectedAccount({ entity, account }: AccountOfEntity): ExpectedRow {
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    customer_id: entity.customerId,
    status: 'ENABLED',
    currency: account.currency,
    account_type: 'PERSONAL',
    account_sub_type: account.subType,
    nickname: account.nickname,
    iban: account.iban,
    servicer_identification: account.servicer.identification,
    removed_at: null,
  };
}

function expectedBalances({ entity, account }: AccountOfEntity): ExpectedRow[] {
  return account.balances.map((balance) => ({
    entity_id: entity.entityId,
    account_id: account.accountId,
    customer_id: entity.customerId,
    balance_type: balance.type,
    currency: balance.currency,
    reported_at: balance.dateTime ?? refreshedAtOf(entity, 'balance'),
    reported_at_source: balance.dateTime === null ? 'refreshed_at' : 'date_time',
    amount: withoutTrailingZeros(balance.amount),
    credit_debit_indicator: knownIndicator(balance.creditDebitIndicator),
  }));
}

function expectedTransaction(owned: AccountOfEntity & { transaction: SimulatedTransaction }): ExpectedRow {
  const { entity, account, transaction } = owned;
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    transaction_id: transaction.transactionId,
    customer_id: entity.customerId,
    amount: withoutTrailingZeros(transaction.amount),
    currency: transaction.currency,
    credit_debit_indicator: knownIndicator(transaction.creditDebitIndicator),
    status: transaction.status,
    mutability: transaction.mutability,
    booked_at_text: transaction.bookingDateTime,
    booking_date: transaction.localDay,
    description: transaction.information,
    reference: transaction.reference,
    transaction_type: transaction.transactionType,
    merchant_name: transaction.merchant?.name ?? null,
    merchant_category_code: transaction.merchant?.categoryCode ?? null,
    category: transaction.insightsCategory,
    superseded_at: null,
  };
}

interface AccountOfEntity {
  entity: SimulatedEntity;
  account: SimulatedAccount;
}

/** The sign of UNSUPPORTED is unknown, and the table says so. */
function knownIndicator(indicator: string): string | null {
  return indicator === 'UNSUPPORTED' ? null : indicator;
}

/** As Postgres' trim_scale: `10.0` and `10` are the same money. */
export function withoutTrailingZeros(amount: string): string {
  return amount.includes('.') ? amount.replace(/\.?0+$/, '') : amount;
}

/** As `order by` of the same columns in collation C, null like an empty text. */
export function inOrder(rows: ExpectedRow[], columns: string[]): ExpectedRow[] {
  const keyOf = (row: ExpectedRow) => columns.map((column) => row[column] ?? '').join('\n');
  return rows.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
}
