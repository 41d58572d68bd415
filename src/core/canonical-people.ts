// People: who gave the consent, and who holds or may act on an account. Strict. Nothing in here may ever be logged.
import { z } from 'zod';
import { canonicalAddressSchema } from './canonical-address.ts';

const textOrNull = z.string().nullable();

export const canonicalIdentitySchema = z.strictObject({
  /** Lean's party id, or `fp_` and a hash of the content where it has none. */
  partyKey: z.string().min(1),
  partyKeySource: z.enum(['lean', 'fingerprint']),
  partyId: textOrNull,
  partyNumber: textOrNull,
  /** The full legal name where there is one. */
  fullName: textOrNull,
  /** The bank's shorter form. */
  name: textOrNull,
  nationalId: textOrNull,
  birthDate: z.iso.date().nullable(),
  /** As written. */
  birthDateText: textOrNull,
  /** FEMALE or MALE for every spelling of these; anything else as written. */
  gender: textOrNull,
  /** As written: `F`, `male`, `FEMALE`. */
  genderText: textOrNull,
  email: textOrNull,
  /** The landline or whatever the bank calls phone; the mobile number where there is no other. */
  phone: textOrNull,
  mobileNumber: textOrNull,
  /** An address in one text (the old dialect) is its `address_line`. */
  address: canonicalAddressSchema.nullable(),
  /** Lean's words, kept as they are: POWER_OF_ATTORNEY, ADMINISTRATOR, BENEFICIARY. */
  accountRole: textOrNull,
  /** SOLE, JOINT, DELEGATE or whatever else Lean says. */
  partyType: textOrNull,
  legalStructure: textOrNull,
  /** Hex SHA-256 over the canonical fields: equal content, equal hash. */
  contentHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Lean's own text of the item, cut out of the reply. */
  raw: z.string(),
  warnings: z.array(z.string()),
});
export type CanonicalIdentity = z.infer<typeof canonicalIdentitySchema>;
