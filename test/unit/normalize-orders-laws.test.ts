import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import {
  canonicalBeneficiarySchema,
  canonicalDirectDebitSchema,
  canonicalScheduledPaymentSchema,
  canonicalStandingOrderSchema,
} from '../../src/core/canonical-orders.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { normalizeBeneficiaries } from '../../src/lean/normalize-beneficiary.ts';
import { normalizeDirectDebits } from '../../src/lean/normalize-direct-debit.ts';
import { normalizeScheduledPayments } from '../../src/lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../../src/lean/normalize-standing-order.ts';
import { readList, type WireItem } from '../../src/lean/read-list.ts';
import {
  wireBeneficiarySchema,
  wireDirectDebitSchema,
  wireScheduledPaymentSchema,
  wireStandingOrderSchema,
} from '../../src/lean/wire-orders.ts';

function itemsOf<Schema extends z.ZodType>(
  schema: Schema,
  items: readonly unknown[],
): WireItem<z.output<Schema>>[] {
  const bodyText = JSON.stringify({ items });
  const list = readList({ bodyText, body: parseLossless(bodyText), path: ['items'], schema });
  return list?.items ?? [];
}

/** One kind of order, with its types closed over. */
function kind<Schema extends z.ZodObject>(
  schema: Schema,
  normalize: (items: readonly WireItem<z.output<Schema>>[]) => readonly unknown[],
) {
  return {
    members: Object.keys(schema.shape),
    normalize: (items: readonly unknown[]) => normalize(itemsOf(schema, items)),
  };
}

describe('normalizing orders is total', () => {
  const kinds = [
    ['beneficiaries', canonicalBeneficiarySchema, kind(wireBeneficiarySchema, normalizeBeneficiaries)],
    ['direct debits', canonicalDirectDebitSchema, kind(wireDirectDebitSchema, normalizeDirectDebits)],
    ['standing orders', canonicalStandingOrderSchema, kind(wireStandingOrderSchema, normalizeStandingOrders)],
    [
      'scheduled payments',
      canonicalScheduledPaymentSchema,
      kind(wireScheduledPaymentSchema, normalizeScheduledPayments),
    ],
  ] as const;

  it.each(kinds)(
    '%s become canonical whatever the wire schema accepts',
    (_name, canonical, { members, normalize }) => {
      const likely = fc.constantFrom<unknown>(
        { amount: -1, currency: 'kwd' },
        { amount: '1e400', currency: '\u0000' },
        { scheme_name: 'IBAN', identification: '\u0000', name: 7 },
        {
          scheme_name: 'BICFI',
          identification: 'Lean Mockbank',
          postal_address: { country: 'Tanzania\u0000' },
        },
        { frequency_type: '\ud800', interval: 5 },
        '9999-12-31T23:59:59Z',
        '2025-01-01T00:00:00.123456789Z',
        7,
        1e300,
        'x'.repeat(300),
      );
      const member = fc.oneof(likely, fc.jsonValue());
      const item = fc.dictionary(fc.constantFrom(...members), member);
      fc.assert(
        fc.property(fc.array(item, { maxLength: 4 }), (items) => {
          const records = normalize(items);
          expect(records.filter((record) => !canonical.safeParse(record).success)).toEqual([]);
        }),
        { numRuns: 60 },
      );
    },
  );
});
