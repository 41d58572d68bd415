// The canonical model: what the rest of the service and the application's tables speak, whatever dialect
// Lean used. Terms are those of Open Banking and ISO 20022. Strict: nothing enters that is not named here.
import { z } from 'zod';
import { instantSchema } from './instant.ts';

/** Exact decimal digits, no exponent, at most 20 before and 20 after the point. Never a JavaScript number. */
export const decimalSchema = z.string().regex(/^-?\d{1,20}(\.\d{1,20})?$/);
const unsignedDecimalSchema = z.string().regex(/^\d{1,20}(\.\d{1,20})?$/);
const textOrNull = z.string().nullable();
const dateSchema = z.iso.date();

/** CREDIT is money into the account. Null where the bank does not say: a sign is never guessed. */
const creditDebitIndicatorSchema = z.enum(['CREDIT', 'DEBIT']).nullable();

const warningsSchema = z.array(z.string());
/** Lean's own text of the item, cut out of the reply. */
const rawSchema = z.string();

const partySchema = z.strictObject({
  name: textOrNull,
  scheme_name: textOrNull,
  identification: textOrNull,
  agent: z.strictObject({ scheme_name: textOrNull, identification: textOrNull, name: textOrNull }).nullable(),
});

export const canonicalEntitySchema = z.strictObject({
  entityId: z.string().min(1),
  customerId: textOrNull,
  appUserId: textOrNull,
  bankIdentifier: textOrNull,
  bankName: textOrNull,
  /** Sorted, without repeats; null when the source does not speak of permissions. */
  permissions: z.array(z.string()).nullable(),
});
export type CanonicalEntity = z.infer<typeof canonicalEntitySchema>;

export const canonicalAccountSchema = z.strictObject({
  accountId: z.string().min(1),
  /** Lean's words, kept as they are, unknown ones included. */
  status: textOrNull,
  currency: textOrNull,
  accountType: textOrNull,
  accountSubType: textOrNull,
  nickname: textOrNull,
  description: textOrNull,
  accountHolderName: textOrNull,
  openingDate: dateSchema.nullable(),
  /** Without spaces, upper case, check digits right; null with a warning otherwise. */
  iban: textOrNull,
  identifiers: z.array(
    z.strictObject({ scheme_name: textOrNull, identification: textOrNull, name: textOrNull }),
  ),
  servicer: z
    .strictObject({
      scheme_name: textOrNull,
      identification: textOrNull,
      /** ISO 9362, of scheme BICFI only; null with a warning where it is none. */
      bic: textOrNull,
    })
    .nullable(),
  raw: rawSchema,
  warnings: warningsSchema,
});
export type CanonicalAccount = z.infer<typeof canonicalAccountSchema>;

export const canonicalBalanceSchema = z.strictObject({
  balanceType: z.string().min(1),
  currency: z.string().min(1),
  amount: unsignedDecimalSchema,
  creditDebitIndicator: creditDebitIndicatorSchema,
  reportedAt: instantSchema,
  /** Where `reportedAt` came from: the item, the list, the reply's body or its HTTP `Date`. */
  reportedAtSource: z.enum(['date_time', 'refreshed_at', 'timestamp', 'http_date']),
  creditLines: z.array(
    z.strictObject({
      included: z.boolean().nullable(),
      type: textOrNull,
      amount: decimalSchema,
      currency: textOrNull,
    }),
  ),
  raw: rawSchema,
  warnings: warningsSchema,
});
export type CanonicalBalance = z.infer<typeof canonicalBalanceSchema>;

export const canonicalTransactionSchema = z.strictObject({
  /** Lean's, or a fingerprint, which equal payments share: the store tells those apart by a number of its own. */
  transactionId: z.string().min(1),
  idSource: z.enum(['lean', 'fingerprint']),
  amount: unsignedDecimalSchema,
  currency: textOrNull,
  creditDebitIndicator: creditDebitIndicatorSchema,
  /** Unsigned minor units as decimal digits; null when the currency's exponent is unknown or digits would be lost. */
  amountMinor: z
    .string()
    .regex(/^\d{1,38}$/)
    .nullable(),
  /** BOOKED, PENDING, REJECTED or whatever else Lean says. */
  status: textOrNull,
  mutability: textOrNull,
  /** Midnight in UTC where only a day is written. */
  bookedAt: instantSchema.nullable(),
  /** `date`: the time of `bookedAt` says nothing, the bank gave a day. Null together with it. */
  bookedAtPrecision: z.enum(['date', 'instant']).nullable(),
  bookedAtText: textOrNull,
  /** The bank's local day by `local_time_zone`; as written where the zone is not known. Never moved by another. */
  bookingDate: dateSchema.nullable(),
  valueAt: instantSchema.nullable(),
  description: textOrNull,
  reference: textOrNull,
  transactionType: textOrNull,
  merchantName: textOrNull,
  merchantCategoryCode: textOrNull,
  counterparty: partySchema.nullable(),
  category: textOrNull,
  /** Hex SHA-256 over the canonical fields: equal content, equal hash. */
  contentHash: z.string().regex(/^[0-9a-f]{64}$/),
  raw: rawSchema,
  warnings: warningsSchema,
});
export type CanonicalTransaction = z.infer<typeof canonicalTransactionSchema>;

/** Raised whenever normalizing gives other rows for the same raw text. */
export const normalizerVersion = 3;
