// The envelope every webhook comes in, and the payloads of the events an example is documented of.
// `consent.status.updated` has none: its payload is read by wire-consent.ts all the same.
import { z } from 'zod';
import { wireBankSchema } from './wire-bank.ts';
import { wireEntitySchema } from './wire-entity.ts';
import { wirePaymentEventSchema } from './wire-payment.ts';
import { wireRefreshSchema } from './wire-refresh.ts';
import { anything, wireId, wireText } from './wire-values.ts';

const typeLengthLimit = 200;

export const wireEnvelopeSchema = z.object({
  event_id: wireText,
  type: z.string().min(1).max(typeLengthLimit),
  message: wireText,
  timestamp: wireText,
  payload: anything,
});

/** Payload schemas by event type. What is done with an event is not decided here. */
export const webhookPayloadSchemas = {
  'entity.created': wireEntitySchema,
  'entity.updated': wireEntitySchema,
  'entity.reconnected': wireEntitySchema,
  'entity.data.refresh.updated': wireRefreshSchema,
  /** `id` is the id of the results, not of an entity. */
  'results.ready': z.object({ id: wireId }),
  'bank.availability.updated': wireBankSchema,
  'payment.created': wirePaymentEventSchema,
  'payment.updated': wirePaymentEventSchema,
  'payment_intent.created': wirePaymentEventSchema,
  'payment_source.created': wirePaymentEventSchema,
  'payment_source.beneficiary.created': wirePaymentEventSchema,
} as const;
