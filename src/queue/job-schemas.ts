// What travels in a job, by queue. Whoever takes a job parses it with these first.
import { z } from 'zod';
import { proofs } from '../core/delivery.ts';
import type { QueueName } from './queue-names.ts';

const sealedDeliverySchema = z.strictObject({
  sequence: z.int().positive(),
  /** ISO 8601, UTC, milliseconds. */
  receivedAt: z.iso.datetime(),
  proof: z.enum(proofs),
  /** Base64 of the sealed body; its record id is `<journalId>:<sequence>`. */
  sealed: z.string().min(1),
});

/** A batch of raw deliveries, or what is left of it in Redis once it is in Postgres. */
export const intakeJobSchema = z.union([
  z.strictObject({ v: z.literal(1), journalId: z.uuid(), deliveries: z.array(sealedDeliverySchema).min(1) }),
  z.strictObject({ stored: z.literal(true) }),
]);
export type IntakeJob = z.infer<typeof intakeJobSchema>;

export const eventJobSchema = z.strictObject({ eventKey: z.string().min(1) });
export type EventJob = z.infer<typeof eventJobSchema>;

/**
 * One call to Lean: a step of a sync, the question whether an event's entity is ours, a page of a sweep, an entity's
 * refreshes, or a refresh that somebody asked for.
 */
export const syncJobSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('step'), syncId: z.string().min(1), stepKey: z.string().min(1) }),
  z.strictObject({ kind: z.literal('prove'), eventKey: z.string().min(1) }),
  z.strictObject({
    kind: z.literal('sweep'),
    sweep: z.enum(['events', 'banks', 'entities']),
    /** Of the sweep's progress: a job of a step that is done finds that it has moved on. */
    revision: z.string().regex(/^\d{1,19}$/),
  }),
  z.strictObject({ kind: z.literal('freshness'), entityId: z.string().min(1) }),
  z.strictObject({
    kind: z.literal('refresh'),
    requestId: z.string().min(1),
    attempts: z.int().nonnegative(),
  }),
]);
export type SyncJob = z.infer<typeof syncJobSchema>;

interface JobData {
  'webhook-intake': IntakeJob;
  'webhook-events': EventJob;
  'lean-sync': SyncJob;
}
/** The data of a job, by the name of its queue. */
export type JobDataOf<Name extends QueueName> = JobData[Name];

export const jobSchemas: { readonly [Name in QueueName]: z.ZodType<JobDataOf<Name>> } = {
  'webhook-intake': intakeJobSchema,
  'webhook-events': eventJobSchema,
  'lean-sync': syncJobSchema,
};
