// Bank identifier codes by ISO 9362: eight or eleven characters, bank, country, place and branch. Form only: whether
// a bank has the code is not known here.

const pattern = /^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?$/;

/** `ncbksaje` → `NCBKSAJE`; null where the form is wrong. Banks do write names and numbers of their own here. */
export function normalizeBic(text: string): string | null {
  const bic = text.trim().toUpperCase();
  return pattern.test(bic) ? bic : null;
}
