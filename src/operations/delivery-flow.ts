// What a receiver answered in the last day, by stretches of five minutes, out of the counter it keeps anyway. In memory:
// a restart begins anew. Never more than a day of it, however many outcomes there are.

export const flowSlotMs = 300_000;
const keptSlots = 288;

export interface DeliverySlot {
  /** A multiple of `flowSlotMs`. */
  readonly startsMs: number;
  readonly accepted: number;
  readonly refused: number;
}

export interface DeliveryFlow {
  /** The counter's values, which only rise; what is new since the last time belongs to this moment. */
  add(totals: ReadonlyMap<string, number>, nowMs: number): void;
  /** The latest last, with those in which nothing came. */
  lately(slots: number, nowMs: number): readonly DeliverySlot[];
  /** Everything but `accepted` of the last day, the most frequent first. */
  refusals(nowMs: number): readonly { readonly outcome: string; readonly count: number }[];
}

export function createDeliveryFlow(): DeliveryFlow {
  const slots = new Map<number, Map<string, number>>();
  let seen: ReadonlyMap<string, number> = new Map();

  const kept = (nowMs: number) =>
    [...slots].filter(([startsMs]) => startsMs > slotOf(nowMs) - keptSlots * flowSlotMs);

  return {
    add(totals, nowMs) {
      const slot = slots.get(slotOf(nowMs)) ?? new Map<string, number>();
      for (const [outcome, total] of totals) {
        const isNew = total - (seen.get(outcome) ?? 0);
        if (isNew > 0) slot.set(outcome, (slot.get(outcome) ?? 0) + isNew);
      }
      seen = new Map(totals);
      slots.set(slotOf(nowMs), slot);
      const keep = new Set(kept(nowMs).map(([startsMs]) => startsMs));
      for (const startsMs of slots.keys()) if (!keep.has(startsMs)) slots.delete(startsMs);
    },
    lately(count, nowMs) {
      return Array.from({ length: count }, (_, index) => {
        const startsMs = slotOf(nowMs) - (count - 1 - index) * flowSlotMs;
        const outcomes = [...(slots.get(startsMs) ?? [])];
        const accepted = outcomes.find(([outcome]) => outcome === 'accepted')?.[1] ?? 0;
        const all = outcomes.reduce((sum, [, number]) => sum + number, 0);
        return { startsMs, accepted, refused: all - accepted };
      });
    },
    refusals(nowMs) {
      const sums = new Map<string, number>();
      for (const [, outcomes] of kept(nowMs))
        for (const [outcome, number] of outcomes)
          if (outcome !== 'accepted') sums.set(outcome, (sums.get(outcome) ?? 0) + number);
      return [...sums]
        .map(([outcome, count]) => ({ outcome, count }))
        .toSorted((left, right) => right.count - left.count || left.outcome.localeCompare(right.outcome));
    },
  };
}

function slotOf(ms: number): number {
  return Math.floor(ms / flowSlotMs) * flowSlotMs;
}
