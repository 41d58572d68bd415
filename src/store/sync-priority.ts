// Whose calls to Lean go first. One table; the queue runs the lowest number first.

/** Most urgent first: nobody has seen an entity's first data yet, and a sweep only looks for what was lost. */
export const syncReasons = ['first', 'requested', 'refresh', 'sweep'] as const;
export type SyncReason = (typeof syncReasons)[number];

export const stepKinds = [
  'entity',
  'accounts',
  'balances',
  'transactions',
  'identity',
  'account_identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const;
export type StepKind = (typeof stepKinds)[number];

/** Within one reason: what opens further calls, then what people look at first, then the rest, then history. */
const kindRank = {
  entity: 1,
  accounts: 1,
  balances: 2,
  transactions: 3,
  identity: 4,
  account_identities: 4,
  beneficiaries: 4,
  direct_debits: 4,
  standing_orders: 4,
  scheduled_payments: 4,
} as const satisfies Record<StepKind, number>;
const furtherPagesRank = 5;
const reasonWidth = 10;

interface RankedStep {
  readonly kind: StepKind;
  readonly page: number;
}

/** 1 is first. */
export function stepPriority(reason: SyncReason, { kind, page }: RankedStep): number {
  const rank = kind === 'transactions' && page > 0 ? furtherPagesRank : kindRank[kind];
  return syncReasons.indexOf(reason) * reasonWidth + rank;
}

export function moreUrgent(left: SyncReason, right: SyncReason): SyncReason {
  return syncReasons.indexOf(left) <= syncReasons.indexOf(right) ? left : right;
}
