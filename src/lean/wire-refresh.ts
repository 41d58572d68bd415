// A data refresh: the payload of `entity.data.refresh.updated`, or GET /data/v2/refreshes with and without an id.
import { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import { wireId, wireList, wireObject, wireOptionalId, wireText } from './wire-values.ts';

const availability = wireObject(z.object({ start: wireText, end: wireText }));

const wireAccountStatusSchema = z.object({
  account_id: wireId,
  balance: wireText,
  identity: wireText,
  transactions: wireText,
  beneficiaries: wireText,
  direct_debits: wireText,
  standing_orders: wireText,
  scheduled_payments: wireText,
  /** Days `YYYY-MM-DD` between which the bank gave transactions. */
  transaction_availability: availability,
});

/** The webhook writes `transaction_availability`, the API `transactionAvailability`. */
const wireAccountStatus = z
  .unknown()
  .transform((value) =>
    isJsonObject(value)
      ? {
          ...value,
          transaction_availability: value['transaction_availability'] ?? value['transactionAvailability'],
        }
      : value,
  )
  .pipe(wireAccountStatusSchema);

export const wireRefreshSchema = z.object({
  entity_id: wireId,
  refresh_id: wireOptionalId,
  customer_id: wireOptionalId,
  app_user_id: wireText,
  status: wireText,
  /** OK, PENDING, FAILED, UNSUPPORTED per kind of data; absent in the list of refreshes. */
  data_status: wireObject(
    z.object({ accounts: wireText, identity: wireText, account_data: wireList(wireAccountStatus) }),
  ),
  created_at: wireText,
  updated_at: wireText,
});

export type WireRefresh = z.infer<typeof wireRefreshSchema>;

/** FINISHED is documented and sent in KSA; the UAE sends OK. Everything else is in progress or unknown. */
export function isTerminalRefresh(status: string | null): boolean {
  return status === 'FINISHED' || status === 'OK';
}
