// What a customer has arranged with the bank: beneficiaries, direct debits, standing orders, scheduled payments.
// Strict. The account they belong to is the one they were asked for.
import { z } from 'zod';
import { canonicalAgentSchema, canonicalPartyAccountSchema } from './canonical-address.ts';
import { instantSchema } from './instant.ts';

const textOrNull = z.string().nullable();

/** What every item ends with. */
const itemEnd = {
  /** Whether the item's key is Lean's id or `fp_` and a hash of the content, which equal items share. */
  idSource: z.enum(['lean', 'fingerprint']),
  /** Hex SHA-256 over the canonical fields: equal content, equal hash. */
  contentHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Lean's own text of the item, cut out of the reply. */
  raw: z.string(),
  warnings: z.array(z.string()),
};

/** One payment of an order; each part is null where the bank does not say. */
export const canonicalOrderPaymentSchema = z.strictObject({
  at: instantSchema.nullable(),
  /** The day as written. */
  date: z.iso.date().nullable(),
  /** Unsigned: an order is money out of the account. */
  amount: z
    .string()
    .regex(/^\d{1,20}(\.\d{1,20})?$/)
    .nullable(),
  currency: textOrNull,
});
export type CanonicalOrderPayment = z.infer<typeof canonicalOrderPaymentSchema>;

const creditor = {
  creditorAccount: canonicalPartyAccountSchema.nullable(),
  creditorAgent: canonicalAgentSchema.nullable(),
};

export const canonicalBeneficiarySchema = z.strictObject({
  beneficiaryId: z.string().min(1),
  /** TRUSTED, ORDINARY, OTHER or whatever else Lean says. */
  beneficiaryType: textOrNull,
  accountHolderName: textOrNull,
  reference: textOrNull,
  ...creditor,
  ...itemEnd,
});
export type CanonicalBeneficiary = z.infer<typeof canonicalBeneficiarySchema>;

export const canonicalDirectDebitSchema = z.strictObject({
  directDebitId: z.string().min(1),
  /** Who collects. */
  name: textOrNull,
  /** ACTIVE, INACTIVE or whatever else Lean says. */
  status: textOrNull,
  frequency: textOrNull,
  mandateIdentification: textOrNull,
  previousPayment: canonicalOrderPaymentSchema,
  ...itemEnd,
});
export type CanonicalDirectDebit = z.infer<typeof canonicalDirectDebitSchema>;

export const canonicalStandingOrderSchema = z.strictObject({
  standingOrderId: z.string().min(1),
  status: textOrNull,
  standingOrderType: textOrNull,
  purpose: textOrNull,
  reference: textOrNull,
  frequencyType: textOrNull,
  /** Open Banking's words, such as `IntervalDay:5`. */
  frequencyInterval: textOrNull,
  numberOfPayments: z.int().nonnegative().nullable(),
  firstPayment: canonicalOrderPaymentSchema,
  lastPayment: canonicalOrderPaymentSchema,
  nextPayment: canonicalOrderPaymentSchema,
  finalPayment: canonicalOrderPaymentSchema,
  ...creditor,
  ...itemEnd,
});
export type CanonicalStandingOrder = z.infer<typeof canonicalStandingOrderSchema>;

export const canonicalScheduledPaymentSchema = z.strictObject({
  scheduledPaymentId: z.string().min(1),
  /** ARRIVAL, EXECUTION or whatever else Lean says: which of the two days is meant. */
  scheduledType: textOrNull,
  payment: canonicalOrderPaymentSchema,
  debtorReference: textOrNull,
  reference: textOrNull,
  ...creditor,
  ...itemEnd,
});
export type CanonicalScheduledPayment = z.infer<typeof canonicalScheduledPaymentSchema>;
