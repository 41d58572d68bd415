// What beneficiaries, direct debits, standing orders and scheduled payments share: their ids, the payments they make,
// and whom they pay. Pure and total.
import type { CanonicalOrderPayment } from '../core/canonical-orders.ts';
import { readDate, readInstant } from '../core/local-date.ts';
import { absolute, isNegative } from '../core/money.ts';
import { fingerprintOf, hashContent } from './hash-content.ts';
import { normalizeCurrency, noteUnknownCurrency } from './normalize-amount.ts';
import type { Notes } from './normalize-notes.ts';
import { normalizeAgent, normalizePartyAccount } from './normalize-party.ts';
import type { WireAgent, WirePartyAccount } from './wire-party.ts';

interface WirePayment {
  readonly time: string | null;
  readonly money: { readonly amount: string | null; readonly currency: string | null } | null;
}

/** Unsigned: an order is money out of the account, so a sign says nothing more. */
export function normalizePayment({ time, money }: WirePayment, notes: Notes): CanonicalOrderPayment {
  const at = readInstant(time);
  const date = readDate(time);
  if (date === null && time !== null) notes.warn('DATE_UNREADABLE');
  if (money === null) return { at, date, amount: null, currency: null };
  if (money.amount === null) {
    notes.warn('AMOUNT_UNREADABLE');
    return { at, date, amount: null, currency: null };
  }
  if (isNegative(money.amount)) notes.warn('AMOUNT_SIGNED');
  const currency = normalizeCurrency(money.currency, notes);
  noteUnknownCurrency(currency, notes);
  return { at, date, amount: absolute(money.amount), currency };
}

interface WireCreditor {
  readonly creditor_account: WirePartyAccount;
  readonly creditor_agent: WireAgent;
}

export function normalizeCreditor(
  { creditor_account: account, creditor_agent: agent }: WireCreditor,
  notes: Notes,
) {
  return {
    creditorAccount: normalizePartyAccount(account, notes),
    creditorAgent: normalizeAgent(agent, notes),
  };
}

interface ItemEnd {
  readonly id: string | null;
  readonly content: Readonly<Record<string, unknown>>;
  readonly raw: string;
  readonly notes: Notes;
}

/** The key and what every record ends with. Equal items without an id of Lean's are one: nothing tells them apart. */
export function endItem({ id, content, raw, notes }: ItemEnd) {
  if (id === null) notes.warn('ITEM_ID_MISSING');
  return {
    key: id ?? fingerprintOf(content),
    end: {
      idSource: id === null ? ('fingerprint' as const) : ('lean' as const),
      contentHash: hashContent(content),
      raw,
      warnings: notes.warnings(),
    },
  };
}
