// Counts what normalizing had to say about the items of a stored reply. Labels are our own words, never Lean's.
import type { Metrics } from '../observability/metrics.ts';
import type { PageRecords, StepReply } from './sync-call.ts';

interface ItemWarningDeps {
  readonly metrics: Pick<Metrics, 'itemWarnings'>;
}

/** Once per reply, when it is stored: one whose step was closed meanwhile does not count. */
export function countItemWarnings({ metrics }: ItemWarningDeps, reply: StepReply): void {
  if (reply.kind === 'entity') countEach(metrics, 'consents', reply.listed.consents);
  if (reply.kind !== 'page') return;
  const { unreadable, records } = reply;
  const data = records.kind;
  if (unreadable > 0) metrics.itemWarnings.inc({ data, warning: 'ITEM_UNREADABLE' }, unreadable);
  countEach(metrics, data, itemsOf(records));
}

type Items = readonly { readonly warnings: readonly string[] }[];

function countEach(metrics: ItemWarningDeps['metrics'], data: string, items: Items): void {
  for (const { warnings } of items) {
    for (const warning of warnings) metrics.itemWarnings.inc({ data, warning });
  }
}

function itemsOf(records: PageRecords): Items {
  switch (records.kind) {
    case 'accounts':
      return records.accounts;
    case 'balances':
      return records.balances;
    case 'transactions':
      return records.transactions;
    case 'identities':
    case 'beneficiaries':
    case 'direct_debits':
    case 'standing_orders':
    case 'scheduled_payments':
      return records.items;
  }
}
