// The payloads of payment events. This service keeps no payments: it records that they came and says so by their ids.
import { z } from 'zod';
import { wireOptionalId, wireText } from './wire-values.ts';

export const wirePaymentEventSchema = z.object({
  id: wireOptionalId,
  intent_id: wireOptionalId,
  customer_id: wireOptionalId,
  end_user_id: wireOptionalId,
  payment_source_id: wireOptionalId,
  payment_destination_id: wireOptionalId,
  status: wireText,
  bank_identifier: wireText,
});
