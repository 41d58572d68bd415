// Bank identifier codes by ISO 9362: eight or eleven characters, bank, country, place and branch. Form and country
// only: whether a bank has the code is not known here.
import { isCountryCode } from './country.ts';

const pattern = /^[A-Z0-9]{4}(?<country>[A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/;
/** Of no ISO 3166 standing, and in use for banks all the same: Kosovo. */
const furtherCountry = 'XK';

/** `ncbksaje` → `NCBKSAJE`; null where the form is wrong or there is no such country. Banks do write names and numbers of their own here. */
export function normalizeBic(text: string): string | null {
  const bic = text.trim().toUpperCase();
  const country = pattern.exec(bic)?.groups?.['country'];
  if (country === undefined) return null;
  return isCountryCode(country) || country === furtherCountry ? bic : null;
}
