// The envelope every webhook comes in, and the payloads of the events this service acts on.
import { z } from 'zod';
import { wireEntitySchema } from './wire-entity.ts';
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

/** Payload schemas by event type; a type that is not here is recorded and ignored. */
export const webhookPayloadSchemas = {
  'entity.created': wireEntitySchema,
  'entity.updated': wireEntitySchema,
  'entity.reconnected': wireEntitySchema,
  'entity.data.refresh.updated': wireRefreshSchema,
  /** `id` is the id of the results, not of an entity. */
  'results.ready': z.object({ id: wireId }),
} as const;
