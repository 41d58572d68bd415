// Lists of people, beneficiaries and orders: stored in the table of their name, counted, marked as removed where a
// complete list lacks them. The application is told how many, and never a word of what they hold.
import { upsertBeneficiaries } from '../store/beneficiary-store.ts';
import { appendChanges, type NewChange } from '../store/change-store.ts';
import { upsertDirectDebits } from '../store/direct-debit-store.ts';
import { upsertIdentities } from '../store/identity-store.ts';
import {
  forgetSeenListed,
  noAccount,
  removeUnseenListed,
  type ListedTable,
  type UpsertListed,
} from '../store/listed-item-store.ts';
import type { Instant } from '../core/instant.ts';
import type { RunCounts } from '../store/run-counts.ts';
import { upsertScheduledPayments } from '../store/scheduled-payment-store.ts';
import { upsertStandingOrders } from '../store/standing-order-store.ts';
import type { StoredCounts } from '../store/stored-counts.ts';
import type { StepKind } from '../store/sync-priority.ts';
import type { SyncStep } from '../store/sync-step-store.ts';
import type { ListedRecords, PageReply } from './sync-call.ts';
import type { StepContext } from './sync-context.ts';

const tableOf = {
  entity: null,
  accounts: null,
  balances: null,
  transactions: null,
  identity: 'identities',
  account_identities: 'identities',
  beneficiaries: 'beneficiaries',
  direct_debits: 'direct_debits',
  standing_orders: 'standing_orders',
  scheduled_payments: 'scheduled_payments',
} as const satisfies Record<StepKind, ListedTable | null>;

/** Where a step's list is kept; null for the kinds that have rules of their own. */
export function listedTableOf(kind: StepKind): ListedTable | null {
  return tableOf[kind];
}

/** Gives how many items the database refused, and how many it has. */
export async function storeListed(
  context: StepContext,
  { refreshedAt }: PageReply,
  records: ListedRecords,
): Promise<{ refused: number; counts: Partial<RunCounts> }> {
  const { transaction, step, keyRing } = context;
  const { inserted, changed, refused } = await upsert(context, records, {
    ...step,
    accountId: step.accountId ?? noAccount,
    refreshedAt,
    keyRing,
  });
  if (inserted + changed > 0) {
    const change = listedChange(step, { table: records.kind, accountId: step.accountId });
    const details = { syncId: step.syncId, inserted, changed, removed: 0 };
    await appendChanges(transaction, [{ ...change, details }]);
  }
  return { refused, counts: { [records.kind]: records.items.length - refused } };
}

async function upsert(
  { database, transaction }: StepContext,
  records: ListedRecords,
  list: Omit<UpsertListed<never>, 'items'>,
): Promise<StoredCounts> {
  switch (records.kind) {
    case 'identities':
      return upsertIdentities(database, transaction, { ...list, items: records.items });
    case 'beneficiaries':
      return upsertBeneficiaries(database, transaction, { ...list, items: records.items });
    case 'direct_debits':
      return upsertDirectDebits(database, transaction, { ...list, items: records.items });
    case 'standing_orders':
      return upsertStandingOrders(database, transaction, { ...list, items: records.items });
    case 'scheduled_payments':
      return upsertScheduledPayments(database, transaction, { ...list, items: records.items });
  }
}

/** A list that starts over is seen anew. */
export async function forgetListed({ database, transaction, step }: StepContext, table: ListedTable) {
  const { entityId, syncId } = step;
  await forgetSeenListed(database, transaction, {
    table,
    entityId,
    accountId: step.accountId ?? noAccount,
    syncId,
  });
}

interface CompleteList {
  readonly table: ListedTable;
  /** Null: of the entity itself. */
  readonly accountId: string | null;
  readonly refreshedAt: Instant | null;
}

/** What the complete list lacked; null where there was nothing of that kind. */
export async function removeListed(
  { database, transaction, step }: StepContext,
  { table, accountId, refreshedAt }: CompleteList,
): Promise<NewChange | null> {
  const { entityId, syncId } = step;
  const list = { table, entityId, accountId: accountId ?? noAccount, syncId, refreshedAt };
  const removed = await removeUnseenListed(database, transaction, list);
  if (removed === 0) return null;
  const details = { syncId, inserted: 0, changed: 0, removed };
  return { ...listedChange(step, { table, accountId }), details };
}

function listedChange(
  { entityId, customerId, eventKey }: SyncStep,
  { table, accountId }: Pick<CompleteList, 'table' | 'accountId'>,
) {
  return { change: `${table}.updated`, entityId, customerId, accountId, eventKey } as const;
}
