// A customer's consent: inside an entity of the API, from GET /customers/v1/{customer}/consents, or the payload of
// `consent.status.updated`. The UAE's consents API writes some members under other names.
import { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import { wirePermissions } from './wire-entity.ts';
import { wireId, wireOptionalId, wireText } from './wire-values.ts';

const consentSchema = z.object({
  id: wireId,
  entity_id: wireOptionalId,
  customer_id: wireOptionalId,
  bank_consent_id: wireText,
  bank_identifier: wireText,
  consent_type: wireText,
  consent_status: wireText,
  /** Null in every capture so far. */
  standard_consent_status: wireText,
  /** Of the webhook and of the UAE's consents API. */
  status: wireText,
  permissions: wirePermissions,
  creation_date_time: wireText,
  status_update_date_time: wireText,
  expiration_date_time: wireText,
  transaction_from_date_time: wireText,
  transaction_to_date_time: wireText,
});

export const wireConsentSchema = z
  .unknown()
  .transform((value) =>
    isJsonObject(value)
      ? {
          ...value,
          id: value['id'] ?? value['consent_id'],
          creation_date_time: value['creation_date_time'] ?? value['start_date_time'],
        }
      : value,
  )
  .pipe(consentSchema);
export type WireConsent = z.infer<typeof wireConsentSchema>;
