// Postal addresses and the bank accounts and banks of other people, as identities, beneficiaries and orders share
// them. Strict; member names are Lean's own, since these parts are stored as JSON.
import { z } from 'zod';

const textOrNull = z.string().nullable();

export const canonicalAddressSchema = z.strictObject({
  address_line: textOrNull,
  address_type: textOrNull,
  building_type: textOrNull,
  building_name: textOrNull,
  building_number: textOrNull,
  apartment_or_villa_number: textOrNull,
  street: textOrNull,
  street_address: textOrNull,
  area: textOrNull,
  department: textOrNull,
  sub_department: textOrNull,
  post_code: textOrNull,
  po_box: textOrNull,
  town_name: textOrNull,
  region: textOrNull,
  /** ISO 3166-1 alpha-2; null with a warning where the text names no country. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .nullable(),
  /** As written: `AE`, `SAU`, `Tanzania`. */
  country_text: textOrNull,
});
export type CanonicalAddress = z.infer<typeof canonicalAddressSchema>;

export const canonicalPartyAccountSchema = z.strictObject({
  name: textOrNull,
  scheme_name: textOrNull,
  /** As written. */
  identification: textOrNull,
  /** Without spaces, upper case, check digits right; of scheme IBAN only, null with a warning where it is none. */
  iban: textOrNull,
});
export type CanonicalPartyAccount = z.infer<typeof canonicalPartyAccountSchema>;

export const canonicalAgentSchema = z.strictObject({
  name: textOrNull,
  scheme_name: textOrNull,
  /** As written. */
  identification: textOrNull,
  /** ISO 9362, upper case; of scheme BICFI only, null with a warning where it is none. */
  bic: textOrNull,
  postal_address: canonicalAddressSchema.nullable(),
});
export type CanonicalAgent = z.infer<typeof canonicalAgentSchema>;
