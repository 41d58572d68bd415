// What a handler of an event is given and what it answers. Everything it writes is in the transaction it is given,
// and it may be run any number of times: only the run that concludes the event is committed.
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import type { ReadableEnvelope } from '../lean/webhook-envelope.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import type { FactOrder } from '../store/entity-store.ts';
import type { Conclusion, StoredEvent } from '../store/event-store.ts';
import type { StepJob } from '../store/sync-step-store.ts';
import type { ClosedRun, RequestedSync } from '../store/sync-store.ts';

export interface HandlerContext {
  readonly database: Database;
  readonly transaction: TablesTransaction;
  readonly event: StoredEvent;
  readonly envelope: ReadableEnvelope;
  readonly now: Date;
  /** LEAN_API_VERSION: v1 tells of no refresh, so whatever connects an entity has its data asked for. */
  readonly apiVersion: 'v1' | 'v2';
  /** Since when the event has the entity connected; left out: as of the event. */
  readonly connectedNs?: bigint;
}

export interface FollowUps {
  /** Runs that were cut short: their end is told after the commit. */
  readonly closedRuns?: readonly ClosedRun[];
  /** Syncs whose open steps need jobs after the commit. */
  readonly syncIds?: readonly string[];
  /** Results whose step needs a job after the commit. */
  readonly resultsIds?: readonly string[];
  /** Jobs that are made already. */
  readonly jobs?: readonly StepJob[];
}

export function followSync({ syncId, closed }: RequestedSync): FollowUps {
  return { syncIds: [syncId], closedRuns: closed === null ? [] : [closed] };
}

export type HandlerAnswer =
  | ({ readonly kind: 'concluded'; readonly conclusion: Conclusion } & FollowUps)
  /** What was written is kept, the event stays open and is looked at again by the reconciler. */
  | { readonly kind: 'open'; readonly outcome: string };

export type EventHandler = (context: HandlerContext) => Promise<HandlerAnswer>;

export function processed(followUps: FollowUps = {}): HandlerAnswer {
  return { kind: 'concluded', conclusion: { state: 'processed' }, ...followUps };
}

/** Throws EVENT_PAYLOAD_INVALID, which quarantines the event. */
export function readPayload<Schema extends z.ZodType>(
  schema: Schema,
  { payload, type }: ReadableEnvelope,
): z.output<Schema> {
  const parsed = schema.safeParse(payload);
  if (parsed.success) return parsed.data;
  const paths = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new AppError(
    'EVENT_PAYLOAD_INVALID',
    `the payload of ${type} does not read at ${paths || 'its top'}`,
  );
}

export function orderOf({ event, envelope }: HandlerContext): FactOrder {
  return { ns: envelope.timestamp?.ns ?? null, key: event.eventKey };
}
