// Beneficiaries, direct debits, standing orders and scheduled payments as GET /data/v2/accounts/{id}/… lists them.
// Loose: not even an id is demanded, since an order without one is still an order.
import { z } from 'zod';
import { wireAgent, wirePartyAccount } from './wire-party.ts';
import { wireCount, wireObject, wireOptionalId, wireOptionalMoney, wireText } from './wire-values.ts';

const owner = { account_id: wireOptionalId, entity_id: wireOptionalId };
const creditor = { creditor_agent: wireAgent, creditor_account: wirePartyAccount };

export const wireBeneficiarySchema = z.object({
  ...owner,
  ...creditor,
  beneficiary_id: wireOptionalId,
  beneficiary_type: wireText,
  account_holder_name: wireText,
  account_holder_short_name: wireText,
  reference: wireText,
});
export type WireBeneficiary = z.infer<typeof wireBeneficiarySchema>;

export const wireDirectDebitSchema = z.object({
  ...owner,
  direct_debit_id: wireOptionalId,
  name: wireText,
  status_code: wireText,
  frequency: wireText,
  mandate_identification: wireText,
  previous_payment_date_time: wireText,
  previous_payment_amount: wireOptionalMoney,
});
export type WireDirectDebit = z.infer<typeof wireDirectDebitSchema>;

export const wireStandingOrderSchema = z.object({
  ...owner,
  ...creditor,
  standing_order_id: wireOptionalId,
  standing_order_status_code: wireText,
  standing_order_type: wireText,
  purpose: wireText,
  reference: wireText,
  frequency: wireObject(z.object({ frequency_type: wireText, interval: wireText })),
  number_of_payments: wireCount,
  first_payment_date_time: wireText,
  first_payment_amount: wireOptionalMoney,
  last_payment_date_time: wireText,
  last_payment_amount: wireOptionalMoney,
  next_payment_date_time: wireText,
  next_payment_amount: wireOptionalMoney,
  final_payment_date_time: wireText,
  final_payment_amount: wireOptionalMoney,
});
export type WireStandingOrder = z.infer<typeof wireStandingOrderSchema>;

export const wireScheduledPaymentSchema = z.object({
  ...owner,
  ...creditor,
  scheduled_payment_id: wireOptionalId,
  scheduled_type: wireText,
  scheduled_payment_date_time: wireText,
  instructed_amount: wireOptionalMoney,
  debtor_reference: wireText,
  reference: wireText,
});
export type WireScheduledPayment = z.infer<typeof wireScheduledPaymentSchema>;
