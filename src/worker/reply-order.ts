// Where what a reply of Lean's says stands in time: at the begin of its call, than which it cannot be older. So an event
// from while Lean was answering is never overruled by an answer that may not have known of it.
import type { Instant } from '../core/instant.ts';
import type { CallFacts } from '../lean/lean-reply.ts';
import type { FactOrder } from '../store/entity-store.ts';

interface Answered {
  /** When Lean answered, where it says when. */
  readonly at: Instant | null | undefined;
  readonly facts: Pick<CallFacts, 'durationMs'>;
  readonly now: Date;
  /** The same at every repeat. */
  readonly key: string;
}

export function replyOrder({ at, facts, now, key }: Answered): FactOrder {
  const endNs = at?.ns ?? BigInt(now.getTime()) * nsPerMs;
  return { ns: endNs - BigInt(Math.ceil(facts.durationMs)) * nsPerMs, key: `reply:${key}`, source: 'reply' };
}

const nsPerMs = 1_000_000n;
