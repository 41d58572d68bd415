// Groups the deliveries of one batch by event, so that one statement never meets the same key twice.
import { sql, type RawBuilder } from 'kysely';
import { proofs, type Proof } from '../core/delivery.ts';
import { conflictKey } from '../core/event-key.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { Instant } from '../core/instant.ts';

/** One delivery as the worker has read it. */
export interface IntakeDelivery {
  readonly eventKey: string;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly entityId: string | null;
  readonly customerId: string | null;
  /** Only of `results.ready`. */
  readonly resultsId?: string | null;
  readonly occurredAt: Instant | null;
  readonly occurredAtText: string | null;
  /** ISO 8601, UTC, milliseconds. */
  readonly receivedAt: string;
  readonly proof: Proof;
  /** `received` waits for its handler; the other two are concluded on arrival. */
  readonly state: 'received' | 'ignored' | 'quarantined';
  readonly failureCode: FailureCode | null;
  /** What is odd about it although it could be read; none when left out. */
  readonly warnings?: readonly string[];
  readonly rawBody: Uint8Array;
  /** Equal for equal payloads; of the raw bytes where there is no payload to read. */
  readonly payloadHash: string;
}

export interface DeliveryGroup {
  readonly key: string;
  /** The delivery whose body is kept. */
  readonly first: IntakeDelivery;
  readonly count: number;
  /** The strongest of the group. */
  readonly proof: Proof;
}

/**
 * Rounds of groups: the first holds one body of every event, a further one the next body that says something else
 * under the same key. Each round comes sorted by key: every transaction locks rows in one order, so two never wait
 * for each other.
 */
export function groupDeliveries(deliveries: readonly IntakeDelivery[]): DeliveryGroup[][] {
  const byKey = new Map<string, Map<string, DeliveryGroup>>();
  for (const delivery of deliveries) {
    const { eventKey, payloadHash } = delivery;
    const bodies = byKey.get(eventKey) ?? new Map<string, DeliveryGroup>();
    byKey.set(eventKey, bodies.set(payloadHash, counted(bodies.get(payloadHash), delivery)));
  }
  const rounds: DeliveryGroup[][] = [];
  for (const bodies of byKey.values()) {
    for (const [round, group] of [...bodies.values()].entries()) (rounds[round] ??= []).push(group);
  }
  return rounds.map(sortedByKey);
}

function counted(group: DeliveryGroup | undefined, delivery: IntakeDelivery): DeliveryGroup {
  if (group === undefined) {
    return { key: delivery.eventKey, first: delivery, count: 1, proof: delivery.proof };
  }
  return { ...group, count: group.count + 1, proof: stronger(group.proof, delivery.proof) };
}

/** Bodies that say something else than the one stored for their event, each under a key of its own. */
export function asConflicts(groups: readonly DeliveryGroup[]): DeliveryGroup[] {
  return sortedByKey(
    groups.map(({ first, ...group }) => ({
      ...group,
      key: conflictKey(first.eventKey, first.rawBody),
      first: isErased(first) ? first : { ...first, state: 'quarantined', failureCode: 'EVENT_BODY_CONFLICT' },
    })),
  );
}

/** Of such a delivery no byte is kept, whatever else is the matter with it. */
export function isErased({ failureCode }: IntakeDelivery): boolean {
  return failureCode === 'CUSTOMER_ERASED';
}

/** Keys are ASCII, so this is the order of bytes. */
function sortedByKey(groups: readonly DeliveryGroup[]): DeliveryGroup[] {
  return groups.toSorted((left, right) => (left.key < right.key ? -1 : 1));
}

function stronger(left: Proof, right: Proof): Proof {
  return proofs.indexOf(left) <= proofs.indexOf(right) ? left : right;
}

/** The same in SQL, over two columns. */
export function strongestProof(left: string, right: string): RawBuilder<unknown> {
  const branches = proofs.map(
    (proof) => sql`when ${sql.lit(proof)} in (${sql.ref(left)}, ${sql.ref(right)}) then ${sql.lit(proof)}`,
  );
  return sql`case ${sql.join(branches, sql` `)} end`;
}
