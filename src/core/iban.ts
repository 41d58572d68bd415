// IBANs by ISO 13616: written without blanks, upper case, check digits right. Anything else is not an IBAN.

/** Check digits run from 02 to 98; 00, 01 and 99 would leave the right remainder too. */
const pattern = /^[A-Z]{2}(?!00|01|99)\d{2}[A-Z0-9]{11,30}$/;

/** `SA03 8000 0000 6080 1016 7519` → `SA0380000000608010167519`; null where the form or the check digits are wrong. */
export function normalizeIban(text: string): string | null {
  const iban = text.replaceAll(/[\s-]/g, '').toUpperCase();
  return pattern.test(iban) && remainder97(iban) === 1 ? iban : null;
}

/** Letters count as 10 to 35; digit by digit, so no number grows beyond 97 × 100. */
function remainder97(iban: string): number {
  const rearranged = iban.slice(4) + iban.slice(0, 4);
  let remainder = 0;
  for (const character of rearranged) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder;
}
