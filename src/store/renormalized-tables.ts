// The tables whose rows are made of one text of Lean's each, with their keys. Pure.
import { keyColumns } from './listed-item-store.ts';
import { countedTables } from './run-counts.ts';

const ofAccount = ['entity_id', 'account_id'] as const;

/** Each table with its key, in the key's order. */
export const keysOfTables = {
  accounts: ofAccount,
  balances: [...ofAccount, 'balance_type', 'currency', 'reported_at'],
  transactions: [...ofAccount, 'transaction_id'],
  identities: [...ofAccount, keyColumns.identities],
  beneficiaries: [...ofAccount, keyColumns.beneficiaries],
  direct_debits: [...ofAccount, keyColumns.direct_debits],
  standing_orders: [...ofAccount, keyColumns.standing_orders],
  scheduled_payments: [...ofAccount, keyColumns.scheduled_payments],
  consents: ['consent_id'],
  banks: ['bank_identifier'],
} as const;
export type RenormalizedTable = keyof typeof keysOfTables;

export const renormalizedTables = [
  ...countedTables,
  'consents',
  'banks',
] as const satisfies readonly RenormalizedTable[];

/** Put together from several reports, of which the stored text is one: some columns are not of it. */
export type ReportsTable = 'consents' | 'banks';

export function isOfReports(table: RenormalizedTable): table is ReportsTable {
  return table === 'consents' || table === 'banks';
}

/** The largest ones: their indexes lead from one normalizer's rows to the next one's. */
export function isIndexedByVersion(table: RenormalizedTable): boolean {
  return table === 'transactions' || table === 'balances';
}

/** Every other column of a key is text. */
export function isTimeColumn(column: string | undefined): boolean {
  return column === 'reported_at';
}
