// A webhook as GET /events/v1 lists it. Its own text goes through readEnvelope like a pushed one; here is only what
// the list is looked through for.
import { z } from 'zod';
import { anything, wireText } from './wire-values.ts';

export const wireEventSchema = z.object({
  event_id: wireText,
  type: wireText,
  /** Of the first attempt to deliver it. */
  timestamp: wireText,
  payload: anything,
});
export type WireEvent = z.infer<typeof wireEventSchema>;
