// An account as GET /data/v2/accounts lists it. Loose: unknown members pass, unknown enum values are kept.
import { z } from 'zod';
import { wireId, wireList, wireObject, wireOptionalId, wireText } from './wire-values.ts';

export const wireAccountSchema = z.object({
  account_id: wireId,
  /** Absent in replies of 2023. */
  entity_id: wireOptionalId,
  account_holder_name: wireText,
  account_holder_short_name: wireText,
  status: wireText,
  currency: wireText,
  account_type: wireText,
  account_sub_type: wireText,
  nickname: wireText,
  description: wireText,
  opening_date: wireText,
  account: wireList(z.object({ scheme_name: wireText, identification: wireText, name: wireText })),
  servicer: wireObject(z.object({ scheme_name: wireText, identification: wireText })),
});
export type WireAccount = z.infer<typeof wireAccountSchema>;
