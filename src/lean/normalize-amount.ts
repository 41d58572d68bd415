// An amount, its currency and its indicator, as accounts, balances and transactions share them.
import { currencyExponent } from '../core/currency.ts';
import { absolute, isNegative } from '../core/money.ts';
import type { Notes } from './normalize-notes.ts';

/** ISO 4217's own code for "no currency is known here". */
const noCurrency = 'XXX';

/** Upper case where it has the form of a code; otherwise as written, for somebody to look at. */
export function normalizeCurrency(currency: string | null, notes: Notes): string | null {
  const text = notes.text(currency)?.trim() ?? null;
  return text !== null && /^[a-z]{3}$/i.test(text) ? text.toUpperCase() : text;
}

/** As `normalizeCurrency`, for keys: `XXX` where there is none. */
export function requireCurrency(currency: string | null, notes: Notes): string {
  const code = normalizeCurrency(currency, notes);
  if (code === null) notes.warn('CURRENCY_MISSING');
  return code ?? noCurrency;
}

export function noteUnknownCurrency(currency: string | null, notes: Notes): void {
  if (currency === null) notes.warn('CURRENCY_MISSING');
  else if (currencyExponent(currency) === null) notes.warn('CURRENCY_UNKNOWN');
}

/**
 * v2 amounts are unsigned and the indicator is their sign. An amount that is negative all the same loses its sign; if
 * it stands beside CREDIT, nobody can say which of the two is right and the indicator becomes null.
 */
export function normalizeSigned(amount: string, indicator: string | null, notes: Notes) {
  const creditDebitIndicator = readIndicator(indicator);
  if (creditDebitIndicator === null) notes.warn('INDICATOR_UNSUPPORTED');
  if (!isNegative(amount)) return { amount, creditDebitIndicator };
  if (creditDebitIndicator === 'CREDIT') {
    notes.warn('AMOUNT_SIGN_CONFLICT');
    return { amount: absolute(amount), creditDebitIndicator: null };
  }
  notes.warn('AMOUNT_SIGNED');
  return { amount: absolute(amount), creditDebitIndicator };
}

function readIndicator(indicator: string | null): 'CREDIT' | 'DEBIT' | null {
  return indicator === 'CREDIT' || indicator === 'DEBIT' ? indicator : null;
}
