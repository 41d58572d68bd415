// What SYNC_DATA may name, in one list for the setting, the steps of a sync and the tests. Pure.

export const syncDataNames = [
  'accounts',
  'balances',
  'transactions',
  'identity',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const;
export type SyncDataName = (typeof syncDataNames)[number];
