// Which of two states of a record is the later one, by Lean's `refreshed_at`. Pure.

/** True when the stored state is from a later refresh; where either time is unknown the incoming state counts. */
export function isOutdated(refreshedAt: string | null, storedAt: Date | null | undefined): boolean {
  return refreshedAt !== null && storedAt != null && Date.parse(refreshedAt) < storedAt.getTime();
}
