// A balance as GET /data/v2/accounts/{id}/balances lists it: one item per balance type.
import { z } from 'zod';
import { wireBoolean, wireList, wireMoney, wireObject, wireOptionalId, wireText } from './wire-values.ts';

export const wireBalanceSchema = z.object({
  account_id: wireOptionalId,
  entity_id: wireOptionalId,
  credit_debit_indicator: wireText,
  type: wireText,
  amount: wireMoney,
  date_time: wireText,
  credit_line: wireList(z.object({ included: wireBoolean, type: wireText, amount: wireObject(wireMoney) })),
});
export type WireBalance = z.infer<typeof wireBalanceSchema>;
