// Wire transaction → canonical transaction. Pure, and total over the wire schema. No sign is guessed and no date is
// moved but by the time zone the item itself names.
import { canonicalJson } from '../core/canonical-json.ts';
import type { CanonicalTransaction } from '../core/canonical.ts';
import { currencyExponent } from '../core/currency.ts';
import { sha256Hex } from '../core/event-key.ts';
import type { Instant } from '../core/instant.ts';
import { isDayAlone, localDate, precisionOf, readDate, readInstant, readMoment } from '../core/local-date.ts';
import { LosslessNumber } from '../core/lossless-json.ts';
import { toMinorUnits } from '../core/money.ts';
import { normalizeCurrency, normalizeSigned, noteUnknownCurrency } from './normalize-amount.ts';
import { createNotes, lastPerKey, type Notes } from './normalize-notes.ts';
import type { WireItem } from './read-list.ts';
import type { WireTransaction } from './wire-transaction.ts';

/**
 * One record per id of Lean's, and one per item without an id: those get `fp_<fingerprint>`, and equal ones stay as
 * many as they are, since two equal payments of one day are two.
 */
export function normalizeTransactions(items: readonly WireItem<WireTransaction>[]): CanonicalTransaction[] {
  const records = items.map(normalizeTransaction);
  const named = records.filter(({ idSource }) => idSource === 'lean');
  const unnamed = records.filter(({ idSource }) => idSource === 'fingerprint');
  return [...lastPerKey(named, ({ transactionId }) => transactionId), ...unnamed];
}

function normalizeTransaction({ wire, raw }: WireItem<WireTransaction>): CanonicalTransaction {
  const notes = createNotes();
  const currency = normalizeCurrency(wire.amount.currency, notes);
  noteUnknownCurrency(currency, notes);
  const money = normalizeSigned(wire.amount.amount, wire.credit_debit_indicator, notes);
  const zone = wire.local_time_zone?.trim() ?? null;
  const bookedAt = readMoment(wire.booking_date_time);
  const bookedAtPrecision = bookedAt && precisionOf(bookedAt, zone);
  const content = {
    ...money,
    currency,
    amountMinor: minorUnits(money.amount, currency, notes),
    status: notes.word('transactionStatus', wire.status),
    mutability: notes.word('mutability', wire.transaction_mutability),
    bookedAt,
    bookedAtText: notes.text(wire.booking_date_time),
    bookingDate: findBookingDate({ text: wire.booking_date_time, bookedAt, bookedAtPrecision, zone }, notes),
    valueAt: readMoment(wire.value_date_time),
    description: notes.text(wire.transaction_information),
    reference: notes.text(wire.transaction_reference),
    transactionType: notes.word('transactionType', wire.transaction_type),
    merchantName: notes.text(wire.merchant_details?.merchant_name ?? null),
    merchantCategoryCode: notes.text(wire.merchant_details?.merchant_category_code ?? null),
    counterparty: findCounterparty(wire, money.creditDebitIndicator, notes),
    category: notes.word('category', wire.insights?.category ?? null),
  };
  if (content.valueAt === null && wire.value_date_time !== null) notes.warn('DATE_UNREADABLE');
  if (wire.transaction_id === null) notes.warn('TRANSACTION_ID_MISSING');
  return {
    transactionId: wire.transaction_id ?? fingerprint(content),
    idSource: wire.transaction_id === null ? 'fingerprint' : 'lean',
    ...content,
    bookedAtPrecision,
    contentHash: hashContent(content),
    raw,
    warnings: notes.warnings(),
  };
}

/** The precision follows from the rest, so it is no part of the content that is hashed. */
type Content = Omit<
  CanonicalTransaction,
  'transactionId' | 'idSource' | 'bookedAtPrecision' | 'contentHash' | 'raw' | 'warnings'
>;

function minorUnits(amount: string, currency: string | null, notes: Notes): string | null {
  const minor = toMinorUnits(amount, currency);
  if (minor === null && currency !== null && currencyExponent(currency) !== null)
    notes.warn('MINOR_UNITS_INEXACT');
  return minor;
}

interface Booking {
  readonly text: string | null;
  readonly bookedAt: Instant | null;
  readonly bookedAtPrecision: CanonicalTransaction['bookedAtPrecision'];
  readonly zone: string | null;
}

/** The day in the zone the item names; as written where it names none that is known, or where there is only a day. */
function findBookingDate({ text, bookedAt, bookedAtPrecision, zone }: Booking, notes: Notes): string | null {
  const asWritten = readDate(text);
  if (text === null) return null;
  if (bookedAt === null) {
    notes.warn('DATE_UNREADABLE');
    return asWritten;
  }
  if (isDayAlone(text)) return asWritten;
  if (zone === null) {
    // With an offset of its own the text shows the local day; in UTC it does only where the bank gave a day.
    if (bookedAtPrecision === 'instant' && /(?:Z|[+-]00:?00)$/.test(text)) notes.warn('TIME_ZONE_MISSING');
    return asWritten;
  }
  const local = localDate(bookedAt, zone);
  if (local === null) notes.warn('TIME_ZONE_UNKNOWN');
  return local ?? asWritten;
}

/** The other side: the debtor of a CREDIT, the creditor of a DEBIT. Without an indicator nobody knows which. */
function findCounterparty(
  wire: WireTransaction,
  indicator: CanonicalTransaction['creditDebitIndicator'],
  notes: Notes,
): CanonicalTransaction['counterparty'] {
  if (indicator === null) return null;
  const account = indicator === 'CREDIT' ? wire.debtor_account : wire.creditor_account;
  const agent = indicator === 'CREDIT' ? wire.debtor_agent : wire.creditor_agent;
  if (!account && !agent) return null;
  return {
    name: notes.text(account?.name ?? null),
    scheme_name: notes.word('accountScheme', account?.scheme_name ?? null),
    identification: notes.text(account?.identification ?? null),
    agent: agent && {
      scheme_name: notes.word('agentScheme', agent.scheme_name),
      identification: notes.text(agent.identification),
      name: notes.text(agent.name),
    },
  };
}

/** Over what identifies a booking and does not change while it settles; so not over status or category. */
function fingerprint(content: Content): string {
  const { amount, currency, creditDebitIndicator, bookedAtText, valueAt, description, reference } = content;
  const identity = [
    new LosslessNumber(amount),
    currency,
    creditDebitIndicator,
    bookedAtText,
    // A value date without a time never was part of it: keys must not change.
    readInstant(valueAt?.text ?? null)?.text ?? null,
    description,
    reference,
    content.transactionType,
  ];
  return `fp_${sha256Hex(canonicalJson(identity))}`;
}

/** Amounts count by value: `10.0` read again as `10` is no change. Instants count by their text. */
function hashContent({ bookedAt, valueAt, amount, ...rest }: Content): string {
  const counted = {
    ...rest,
    amount: new LosslessNumber(amount),
    bookedAt: bookedAt?.at ?? null,
    valueAt: valueAt?.text ?? null,
  };
  return sha256Hex(canonicalJson(counted));
}
