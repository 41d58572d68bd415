// What may be fetched and where: a customer's consents, and the banks' availability. Strict. A null member means that
// the source does not say, not that there is none: it never overwrites what is known.
import { z } from 'zod';
import { instantSchema } from './instant.ts';

const textOrNull = z.string().nullable();
const instantOrNull = instantSchema.nullable();

export const canonicalConsentSchema = z.strictObject({
  consentId: z.string().min(1),
  /** Where the item names it; a consent listed inside an entity belongs to that one. */
  entityId: textOrNull,
  customerId: textOrNull,
  bankConsentId: textOrNull,
  bankIdentifier: textOrNull,
  consentType: textOrNull,
  /** ACTIVE, REVOKED, REJECTED or whatever else Lean says; its `consent_status`, else the standard one. */
  status: textOrNull,
  standardStatus: textOrNull,
  createdAtBank: instantOrNull,
  statusUpdatedAt: instantOrNull,
  expiresAt: instantOrNull,
  transactionsFrom: instantOrNull,
  transactionsTo: instantOrNull,
  /** Sorted, without repeats. */
  permissions: z.array(z.string()).nullable(),
  raw: z.string(),
  warnings: z.array(z.string()),
});
export type CanonicalConsent = z.infer<typeof canonicalConsentSchema>;

export const canonicalBankSchema = z.strictObject({
  bankIdentifier: z.string().min(1),
  name: textOrNull,
  arabicName: textOrNull,
  /** RETAIL, SME. */
  bankType: textOrNull,
  /** PERSONAL, BUSINESS. */
  accountType: textOrNull,
  /** ISO 3166-1 alpha-2. */
  country: textOrNull,
  bic: textOrNull,
  isMock: z.boolean().nullable(),
  /** Data can be had only where both `activeData` and `enabledData` are true. */
  activeData: z.boolean().nullable(),
  enabledData: z.boolean().nullable(),
  activePayments: z.boolean().nullable(),
  enabledPayments: z.boolean().nullable(),
  raw: z.string(),
  warnings: z.array(z.string()),
});
export type CanonicalBank = z.infer<typeof canonicalBankSchema>;
