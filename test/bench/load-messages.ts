// What the benchmark and its load generator say to each other. Parsed at both ends; starts nothing.
import { z } from 'zod';

const count = z.int().min(1);
/** Null where nothing was measured, as JSON has no NaN. */
const milliseconds = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

export const loadModelSchema = z.discriminatedUnion('kind', [
  /** Every connection sends its next delivery when it has the last answer. */
  z.strictObject({ kind: z.literal('closed'), connections: count }),
  /** Deliveries arrive by themselves; latency counts from when one should have left, so that waiting shows. */
  z.strictObject({ kind: z.literal('open'), connections: count, ratePerSecond: z.number().positive() }),
  /** A connection and a full handshake for each delivery, so many at one time. */
  z.strictObject({ kind: z.literal('new-connections'), atOnce: count }),
]);
export type LoadModel = z.infer<typeof loadModelSchema>;

/** Where deliveries go, and as whom. */
export const loadTargetSchema = z.strictObject({
  url: z.url(),
  caPem: z.string(),
  certPem: z.string(),
  keyPem: z.string(),
  secret: z.string(),
});
export type LoadTarget = z.infer<typeof loadTargetSchema>;

export const loadJobSchema = z.strictObject({
  target: loadTargetSchema,
  model: loadModelSchema,
  body: z.strictObject({ type: z.string(), bytes: count }),
  /** Made and signed before the start, each with an id of its own. None is sent twice: the measuring ends when they run out. */
  requests: count,
  warmUpMs: z.number().min(0),
  measureMs: z.number().positive(),
  /** How long answers are waited for after the measuring. */
  answerDeadlineMs: z.number().positive(),
});
export type LoadJob = z.infer<typeof loadJobSchema>;

export const loadReportSchema = z.strictObject({
  /** Answers of the measured time; in the open model those to what should have left within it. */
  answered: z.int(),
  seconds: z.number(),
  p50Ms: milliseconds,
  p99Ms: milliseconds,
  p999Ms: milliseconds,
  maxMs: milliseconds,
  /** Everything that was ever answered, by status. */
  statuses: z.record(z.string(), z.int()),
  /** Sent, or due, and not answered within the deadline; counted into the latencies with the deadline. */
  unanswered: z.int(),
  /** Connections that broke. */
  broken: z.int(),
  lastError: z.string().nullable(),
});
export type LoadReport = z.output<typeof loadReportSchema>;
export type SentLoadReport = z.input<typeof loadReportSchema>;

export const fromLoadSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('begun') }),
  z.strictObject({ kind: z.literal('ended') }),
  z.strictObject({ kind: z.literal('report'), report: loadReportSchema }),
]);
