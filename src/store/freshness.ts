// Which of two states of a record is the later one, by Lean's `refreshed_at`; in our words and in SQL's.
import { sql, type RawBuilder } from 'kysely';

/** True when the stored state is from a later refresh; where either time is unknown the incoming state counts. */
export function isOutdated(refreshedAt: string | null, storedAt: Date | null | undefined): boolean {
  return refreshedAt !== null && storedAt != null && Date.parse(refreshedAt) < storedAt.getTime();
}

/** The same for rows that a list did not have: only those that no later refresh has confirmed. */
export function isNotNewerThan(listAt: string | null): RawBuilder<boolean> {
  return sql<boolean>`(${listAt}::timestamptz is null or refreshed_at is null
    or refreshed_at <= ${listAt}::timestamptz)`;
}
