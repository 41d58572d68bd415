// Collects what normalizing had to change or leave open in one item, and makes its texts fit the columns.
import { storableText } from '../core/clean-text.ts';

/** Public words: they stand in the `warnings` column. */
export type NormalizeWarning =
  /** A negative amount beside CREDIT: the two contradict each other, so the indicator is left open. */
  | 'AMOUNT_SIGN_CONFLICT'
  /** A negative amount beside DEBIT or no indicator; the amount is kept without its sign. */
  | 'AMOUNT_SIGNED'
  /** An amount that is there, but is no number of at most 20 digits on either side of the point. */
  | 'AMOUNT_UNREADABLE'
  | 'BALANCE_TYPE_MISSING'
  /** Of scheme BICFI, but a name or a number of the bank's own. */
  | 'BIC_INVALID'
  /** The text names no country of ISO 3166. */
  | 'COUNTRY_UNKNOWN'
  | 'CREDIT_LINE_UNREADABLE'
  | 'CURRENCY_MISSING'
  | 'CURRENCY_UNKNOWN'
  | 'DATE_UNREADABLE'
  | 'IBAN_INVALID'
  /** CREDIT or DEBIT is not said; a sign is never guessed. */
  | 'INDICATOR_UNSUPPORTED'
  /** The id is a fingerprint of the content. */
  | 'ITEM_ID_MISSING'
  /** The same key came twice in one list; the last one stands. */
  | 'ITEM_REPEATED'
  /** More digits than the currency has; no minor units are given. */
  | 'MINOR_UNITS_INEXACT'
  /** The party's key is a fingerprint of the content. */
  | 'PARTY_ID_MISSING'
  | 'TEXT_REPLACED'
  | 'TIME_ZONE_UNKNOWN'
  /** The id is a fingerprint of the content. */
  | 'TRANSACTION_ID_MISSING';

export interface Notes {
  warn(warning: NormalizeWarning): void;
  /** The text with U+0000 and lone surrogates replaced, and a warning where there were any. */
  text(value: string | null): string | null;
  /** Sorted, each once. */
  warnings(): string[];
}

export function createNotes(): Notes {
  const found = new Set<NormalizeWarning>();
  return {
    warn: (warning) => void found.add(warning),
    text(value) {
      if (value === null) return null;
      const storable = storableText(value);
      if (storable !== value) found.add('TEXT_REPLACED');
      return storable;
    },
    warnings: () => [...found].toSorted(),
  };
}

/** Of records with one key the last stands, marked; the order of first appearance is kept. */
export function lastPerKey<Item extends { readonly warnings: string[] }>(
  records: readonly Item[],
  keyOf: (record: Item) => string,
): Item[] {
  const byKey = new Map<string, Item>();
  for (const record of records) {
    const key = keyOf(record);
    byKey.set(key, byKey.has(key) ? withWarning(record, 'ITEM_REPEATED') : record);
  }
  return [...byKey.values()];
}

function withWarning<Item extends { readonly warnings: string[] }>(
  record: Item,
  warning: NormalizeWarning,
): Item {
  return { ...record, warnings: [...record.warnings, warning].toSorted() };
}
