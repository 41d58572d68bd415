// The kinds of data a refresh reads and the word each of them ends with, in the region's form; the webhook and the
// refresh endpoint tell the same words.
import type { SimulatedEntity, SimulatedRefresh } from './customers.ts';

/** As `data_status` of `entity.data.refresh.updated` names them; `account_identity` is `identity` of an account. */
export const dataKinds = [
  'accounts',
  'identity',
  'balance',
  'account_identity',
  'transactions',
  'scheduled_payments',
  'direct_debits',
  'standing_orders',
  'beneficiaries',
] as const;
export type DataKind = (typeof dataKinds)[number];

/** What the banks of the UAE do not offer. */
const ordersOnly: ReadonlySet<DataKind> = new Set([
  'scheduled_payments',
  'direct_debits',
  'standing_orders',
  'beneficiaries',
]);

/** The word of every kind; `usual` is that of all that went as they should. */
export function refreshWords(
  entity: SimulatedEntity,
  facts: { usual: string; dataStatus?: SimulatedRefresh['dataStatus'] | undefined },
): Record<DataKind, string> {
  const { usual, dataStatus = {} } = facts;
  const word = (kind: DataKind) =>
    dataStatus[kind] ?? (entity.region === 'ae' && ordersOnly.has(kind) ? 'UNSUPPORTED' : usual);
  return {
    accounts: word('accounts'),
    identity: word('identity'),
    balance: word('balance'),
    account_identity: word('account_identity'),
    transactions: word('transactions'),
    scheduled_payments: word('scheduled_payments'),
    direct_debits: word('direct_debits'),
    standing_orders: word('standing_orders'),
    beneficiaries: word('beneficiaries'),
  };
}

/** When Lean last pulled this kind from the bank: a kind that failed stays of the reading before. */
export function refreshedAtOf(entity: SimulatedEntity, kind: DataKind): string {
  return entity.keptFrom[kind] ?? entity.refreshedAt;
}

/** Whether a refresh that ended in these words read the kind anew. */
export function wasRead(kind: DataKind, dataStatus: SimulatedRefresh['dataStatus']): boolean {
  return (dataStatus?.[kind] ?? 'OK') === 'OK';
}
