// Wire balance → canonical balance. Pure, and total over the wire schema; the clock is never asked for a missing time.
import type { CanonicalBalance } from '../core/canonical.ts';
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import {
  normalizeCurrency,
  normalizeSigned,
  noteUnknownCurrency,
  requireCurrency,
} from './normalize-amount.ts';
import { createNotes, lastPerKey, type Notes } from './normalize-notes.ts';
import type { UnreadableItem, WireItem } from './read-list.ts';
import type { WireBalance } from './wire-balance.ts';

/** The times around an item, used in this order where it has none of its own. */
export interface ReplyTimes {
  /** When Lean last asked the bank. */
  readonly refreshedAt: Instant | null;
  /** When Lean wrote the reply. */
  readonly timestamp: Instant | null;
  /** The reply's HTTP `Date`. */
  readonly httpDate: Instant | null;
}

/** Lean's own word for a type it cannot name. */
const unknownType = 'UNSUPPORTED';

/** One record per type, currency and time. A balance of no known time is reported, not stored. */
export function normalizeBalances(
  items: readonly WireItem<WireBalance>[],
  times: ReplyTimes,
): { records: CanonicalBalance[]; unreadable: UnreadableItem[] } {
  const records: CanonicalBalance[] = [];
  const unreadable: UnreadableItem[] = [];
  for (const item of items) {
    const record = normalizeBalance(item, times);
    if (record) records.push(record);
    else unreadable.push({ raw: item.raw, reason: 'date_time: neither the item nor its reply has a time' });
  }
  return { records: lastPerKey(records, balanceKey), unreadable };
}

function balanceKey({ balanceType, currency, reportedAt }: CanonicalBalance): string {
  return JSON.stringify([balanceType, currency, reportedAt.at]);
}

/** Null where neither the item nor the reply around it has a time. */
function normalizeBalance({ wire, raw }: WireItem<WireBalance>, times: ReplyTimes): CanonicalBalance | null {
  const notes = createNotes();
  const reported = findReportedAt(wire, times);
  if (!reported) return null;
  if (reported.reportedAtSource !== 'date_time' && wire.date_time !== null) notes.warn('DATE_UNREADABLE');
  const currency = requireCurrency(wire.amount.currency, notes);
  if (wire.amount.currency !== null) noteUnknownCurrency(currency, notes);
  if (wire.type === null) notes.warn('BALANCE_TYPE_MISSING');
  return {
    balanceType: notes.word('balanceType', wire.type) ?? unknownType,
    currency,
    ...normalizeSigned(wire.amount.amount, wire.credit_debit_indicator, notes),
    ...reported,
    creditLines: normalizeCreditLines(wire, notes),
    raw,
    warnings: notes.warnings(),
  };
}

function findReportedAt(wire: WireBalance, { refreshedAt, timestamp, httpDate }: ReplyTimes) {
  const own = readInstant(wire.date_time);
  if (own) return { reportedAt: own, reportedAtSource: 'date_time' as const };
  if (refreshedAt) return { reportedAt: refreshedAt, reportedAtSource: 'refreshed_at' as const };
  if (timestamp) return { reportedAt: timestamp, reportedAtSource: 'timestamp' as const };
  return httpDate && { reportedAt: httpDate, reportedAtSource: 'http_date' as const };
}

function normalizeCreditLines(wire: WireBalance, notes: Notes): CanonicalBalance['creditLines'] {
  return wire.credit_line.flatMap(({ included, type, amount }) => {
    if (!amount) {
      notes.warn('CREDIT_LINE_UNREADABLE');
      return [];
    }
    // An older document prints a type with a tab behind it.
    const lineType = notes.word('creditLineType', type?.trim() ?? null);
    return [
      {
        included,
        type: lineType,
        amount: amount.amount,
        currency: normalizeCurrency(amount.currency, notes),
      },
    ];
  });
}
