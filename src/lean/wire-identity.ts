// A person, from GET /data/v2/identity, from GET /data/v2/accounts/{id}/identities, or flat from the v1 dialect, which
// writes some members under other names. Nothing is demanded: a bank may know next to nothing.
import { z } from 'zod';
import { wireAddress } from './wire-party.ts';
import { wireObject, wireOptionalId, wireText } from './wire-values.ts';

/** The v1 names; replies of 2023 repeat a person under these in `regional_data`. */
const firstNames = {
  full_name: wireText,
  mobile_number: wireText,
  gender: wireText,
  national_identity_number: wireText,
  birth_date: wireText,
  email_address: wireText,
};

export const wireIdentitySchema = z.object({
  ...firstNames,
  entity_id: wireOptionalId,
  full_legal_name: wireText,
  name: wireText,
  national_id: wireText,
  legal_structure: wireText,
  phone: wireText,
  address: wireAddress,
  account_role: wireText,
  party_type: wireText,
  party_id: wireOptionalId,
  party_number: wireText,
  regional_data: wireObject(z.object({ data: wireObject(z.object(firstNames)) })),
});
export type WireIdentity = z.infer<typeof wireIdentitySchema>;
