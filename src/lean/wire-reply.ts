// What is around the data in Lean's replies: the result envelope, the page, the error body. `status` decides what a
// reply means, not the HTTP status alone.
import { z } from 'zod';
import { anything, wireCount, wireObject, wireOptionalId, wireText } from './wire-values.ts';

export const wireReplySchema = z.object({
  status: wireText,
  /** What the consents API calls it. */
  status_code: wireText,
  results_id: wireOptionalId,
  timestamp: wireText,
  refreshed_at: wireText,
  type: wireText,
  status_detail: wireObject(z.object({ granular_status_code: wireText })),
  reconnect_id: wireOptionalId,
  /** The v1 spelling keeps the reconnect id in here. */
  payload: wireObject(z.object({ reconnect_id: wireOptionalId })),
  data: anything,
});
export type WireReply = z.infer<typeof wireReplySchema>;

export const wirePageSchema = z.object({
  number: wireCount,
  size: wireCount,
  total_elements: wireCount,
  total_pages: wireCount,
});
export type WirePage = z.infer<typeof wirePageSchema>;
