// Which lists a sync reads: what SYNC_DATA names, where the refresh or the customer's permissions let it. Pure.
import type { SyncDataName } from '../core/sync-data.ts';
import { readDataStatus, statusOf, type ReportedData } from '../store/data-status.ts';
import type { SyncStep } from '../store/sync-step-store.ts';

/** Steps by what SYNC_DATA calls them; people are asked for of the entity and of each account. */
const kindsOf = {
  accounts: ['accounts'],
  balances: ['balances'],
  transactions: ['transactions'],
  identity: ['identity', 'account_identities'],
  beneficiaries: ['beneficiaries'],
  direct_debits: ['direct_debits'],
  standing_orders: ['standing_orders'],
  scheduled_payments: ['scheduled_payments'],
} as const satisfies Readonly<Record<SyncDataName, readonly string[]>>;

/** Whatever is stored; `accounts` are read in any case, since everything else hangs on them. */
export type SyncData = 'accounts' | ReportedData;

export interface Purpose {
  /** SYNC_DATA. */
  readonly syncData: readonly string[];
  /** LEAN_API_VERSION. */
  readonly apiVersion: 'v1' | 'v2';
}

const kindsOfV1: ReadonlySet<SyncData> = new Set(['accounts', 'balances', 'transactions', 'identity']);

export function readSyncData({ syncData, apiVersion }: Purpose): ReadonlySet<SyncData> {
  const kinds = Object.entries(kindsOf).flatMap(([name, steps]): readonly SyncData[] =>
    syncData.includes(name) ? steps : [],
  );
  return new Set(kinds.filter((kind) => apiVersion === 'v2' || kindsOfV1.has(kind)));
}

export const kindsOfAccount = [
  'balances',
  'transactions',
  'account_identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const satisfies readonly ReportedData[];

/** Any of them lets Lean give the list; webhooks and the API spell some of them differently. */
const permissionsFor: Readonly<Record<ReportedData, readonly string[]>> = {
  balances: ['balance', 'balances'],
  transactions: ['transactions'],
  identity: ['identity', 'identities'],
  // Which of the two this list takes is not documented.
  account_identities: ['identities', 'identity'],
  beneficiaries: ['beneficiaries'],
  direct_debits: ['direct_debits'],
  standing_orders: ['standing_orders'],
  scheduled_payments: ['scheduled_payments'],
};

interface Wanted {
  readonly step: Pick<SyncStep, 'dataStatus' | 'permissions'>;
  readonly syncData: ReadonlySet<SyncData>;
  /** Null for the entity itself. */
  readonly accountId: string | null;
  readonly data: ReportedData;
}

/** What the refresh said decides; where it said nothing, what the customer has permitted; and else it is tried. */
export function isWanted({ step, syncData, accountId, data }: Wanted): boolean {
  if (!syncData.has(data)) return false;
  const status = statusOf(readDataStatus(step.dataStatus), accountId, data);
  if (status !== null) return status === 'OK';
  const { permissions } = step;
  return permissions === null || permissionsFor[data].some((name) => permissions.includes(name));
}
