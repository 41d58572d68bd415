// Collects what normalizing had to change or leave open in one item, and makes its texts fit the columns.
import { storableText } from '../core/clean-text.ts';
import type { Warning } from '../core/warnings.ts';
import { knownWords, type EnumeratedMember } from './known-words.ts';

export interface Notes {
  warn(warning: Warning): void;
  /** The text with U+0000 and lone surrogates replaced, and a warning where there were any. */
  text(value: string | null): string | null;
  /** As `text`, for an enumerated member: a word that is not documented is kept, with a warning. */
  word(member: EnumeratedMember, value: string | null): string | null;
  /** Sorted, each once. */
  warnings(): string[];
}

export function createNotes(): Notes {
  const found = new Set<Warning>();
  const text = (value: string | null): string | null => {
    if (value === null) return null;
    const storable = storableText(value);
    if (storable !== value) found.add('TEXT_REPLACED');
    return storable;
  };
  return {
    warn: (warning) => void found.add(warning),
    text,
    word(member, value) {
      if (value !== null && !knownWords[member].has(value)) found.add('WORD_UNKNOWN');
      return text(value);
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

function withWarning<Item extends { readonly warnings: string[] }>(record: Item, warning: Warning): Item {
  return { ...record, warnings: [...record.warnings, warning].toSorted() };
}
