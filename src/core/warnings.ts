// Every word that may stand in a `warnings` column, once. A word is public: it is never renamed and never reused.
// A warning says what was changed or left open in one item; it never holds up the item.

/** Keep in alphabetical order; the README's table is generated from this. */
export const warningMeanings = {
  AMOUNT_SIGNED:
    'A negative amount stands beside DEBIT or no indicator, or in an order; it is kept without its sign.',
  AMOUNT_SIGN_CONFLICT:
    'A negative amount stands beside CREDIT: the two contradict each other, so the indicator is left open.',
  AMOUNT_UNREADABLE: 'An amount is there, but is no number of at most 20 digits on either side of the point.',
  BALANCE_TYPE_MISSING: 'The balance names no type; it is kept as UNSUPPORTED.',
  BIC_INVALID: "Of scheme BICFI, but no BIC: a name or a number of the bank's own. It stays as written.",
  COUNTRY_UNKNOWN: 'The text names no country of ISO 3166; it stays as written.',
  CREDIT_LINE_UNREADABLE: 'A credit line has no amount that can be read; it is only in raw.',
  CURRENCY_MISSING: 'No currency is named; no minor units are given.',
  CURRENCY_UNKNOWN: 'ISO 4217 gives the currency no minor units or does not have it; none are given.',
  DATE_UNREADABLE: 'A date or time cannot be read or is beyond the years 1678 to 2261; the column is empty.',
  DUPLICATE_KEY: 'Of a webhook: an object of the body has a key twice; the last value counts.',
  IBAN_INVALID: 'Of scheme IBAN, but its form or check digits are wrong; it stays among the identifiers.',
  INDICATOR_UNSUPPORTED: 'CREDIT or DEBIT is not said; a sign is never guessed, so signed_amount is empty.',
  ITEM_ID_MISSING: 'The item has no id; its key is a fingerprint of its content.',
  ITEM_REPEATED: 'The same key came more than once in one list; the last one stands.',
  MINOR_UNITS_INEXACT: 'The amount has more digits than the currency; no minor units are given.',
  PARTY_ID_MISSING: 'The party has no id; its key is a fingerprint of the content.',
  TEXT_REPLACED:
    'U+0000 or half a surrogate pair stands in a text; it is U+FFFD in the column, as written in raw.',
  TIMESTAMP_TOO_LONG:
    'Of a webhook: its time has more than 64 characters and is not read; it is only in the body.',
  TIME_ZONE_MISSING:
    'The booking has a time in UTC and names no zone: its day is the UTC day, not surely the local one.',
  TIME_ZONE_UNKNOWN:
    'The zone the booking names is no offset and no IANA zone: its day is the day as written.',
  TRANSACTION_ID_MISSING: 'The transaction has no id; its key is a fingerprint of its content.',
  WORD_UNKNOWN: 'An enumerated member holds a word that Lean does not document; it is kept as written.',
} as const satisfies Readonly<Record<string, string>>;

export type Warning = keyof typeof warningMeanings;
