// Tells equal payments without an id of Lean's apart: `fp_<hash>_0`, `_1` and so on, counted over all pages of a list,
// in the order of the list. So a list that is read again gives every one of them its former id.
import { sql } from 'kysely';
import type { CanonicalTransaction } from '../core/canonical.ts';
import type { Database, Executor } from './database.ts';

export interface NumberFingerprints {
  readonly entityId: string;
  readonly accountId: string;
  /** Counts go on from what this sync has already seen of the account. */
  readonly syncId: string;
  readonly transactions: readonly CanonicalTransaction[];
}

/** The records with ids of their own. Right only when every page is stored once, in order, and starting over forgets. */
export async function numberFingerprints(
  database: Database,
  transaction: Executor,
  options: NumberFingerprints,
): Promise<CanonicalTransaction[]> {
  const next = await nextNumbers(database, transaction, options);
  return options.transactions.map((item) => {
    if (item.idSource === 'lean') return item;
    const number = next.get(item.transactionId) ?? 0;
    next.set(item.transactionId, number + 1);
    return { ...item, transactionId: `${item.transactionId}_${number}` };
  });
}

async function nextNumbers(
  database: Database,
  transaction: Executor,
  { entityId, accountId, syncId, transactions }: NumberFingerprints,
): Promise<Map<string, number>> {
  const unnamed = transactions.filter(({ idSource }) => idSource === 'fingerprint');
  const fingerprints = [...new Set(unnamed.map(({ transactionId }) => transactionId))];
  if (fingerprints.length === 0) return new Map();
  // The bounds are for the primary key's index, whatever its collation; `starts_with` is what counts.
  const { rows } = await sql<{ fingerprint: string; next: number }>`
    select wanted.fingerprint, seen.next
    from json_array_elements_text(${JSON.stringify(fingerprints)}::json) as wanted (fingerprint),
    lateral (
      select max(substr(transaction_id, length(wanted.fingerprint) + 2)::integer) + 1 as next
      from ${database.table('transactions')}
      where entity_id = ${entityId} and account_id = ${accountId}
        and transaction_id between wanted.fingerprint || '_0' and wanted.fingerprint || '_a'
        and starts_with(transaction_id, wanted.fingerprint || '_')
        and seen_sync_id = ${syncId}
    ) as seen
    where seen.next is not null
  `.execute(transaction);
  return new Map(rows.map(({ fingerprint, next }) => [fingerprint, next]));
}
