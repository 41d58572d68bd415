// A transaction as GET /data/v2/accounts/{id}/transactions lists it. Only the amount is demanded: a row without
// one says nothing.
import { z } from 'zod';
import { wireMoney, wireObject, wireOptionalId, wireText } from './wire-values.ts';

const wirePartyAccount = wireObject(
  z.object({ name: wireText, scheme_name: wireText, identification: wireText }),
);

export const wireTransactionSchema = z.object({
  account_id: wireOptionalId,
  entity_id: wireOptionalId,
  /** Any text, not always a UUID; null where a bank gives none. */
  transaction_id: wireOptionalId,
  transaction_information: wireText,
  transaction_reference: wireText,
  credit_debit_indicator: wireText,
  amount: wireMoney,
  transaction_mutability: wireText,
  booking_date_time: wireText,
  value_date_time: wireText,
  local_time_zone: wireText,
  status: wireText,
  transaction_type: wireText,
  insights: wireObject(z.object({ category: wireText })),
  merchant_details: wireObject(z.object({ merchant_category_code: wireText, merchant_name: wireText })),
  creditor_account: wirePartyAccount,
  creditor_agent: wirePartyAccount,
  debtor_account: wirePartyAccount,
  debtor_agent: wirePartyAccount,
});
export type WireTransaction = z.infer<typeof wireTransactionSchema>;
