// The four columns of one payment of an order: when, on which day as written, how much of what. Pure.
import type { CanonicalOrderPayment } from '../core/canonical-orders.ts';
import type { ListedRow } from './listed-item-store.ts';

export function paymentColumns(
  name: string,
  { at, date, amount, currency }: CanonicalOrderPayment,
): ListedRow['columns'] {
  return {
    [`${name}_at`]: ['timestamptz', at?.at ?? null],
    [`${name}_date`]: ['date', date],
    [`${name}_amount`]: ['numeric', amount],
    [`${name}_currency`]: ['text', currency],
  };
}
