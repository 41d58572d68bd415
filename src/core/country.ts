// What a bank writes for a country → ISO 3166-1 alpha-2. Pure. A text that names no country gives none: nothing is
// guessed from a city or a region.
import { countries } from './country-names.ts';

/** `AE`, `ARE`, `United Arab Emirates`, `the UAE` → `AE`; null for anything that is no country of the list. */
export function countryCode(text: string): string | null {
  if (text.length > textLimit) return null;
  const name = fold(text);
  return codes.get(name) ?? codes.get(name.replace(form, '')) ?? null;
}

/** Whether the two letters are a code of ISO 3166-1 alpha-2, in upper case. */
export function isCountryCode(text: string): boolean {
  return alpha2Codes.has(text);
}

/** The longest name of the list has 57 characters. */
const textLimit = 100;

/** "Republic of", "Hashemite Kingdom of the": what stands before a name in a country's full form. */
const form =
  /^(?:[a-z]+ ){0,3}(?:republic|kingdom|states?|sultanate|emirate|principality|commonwealth|union) of (?:the )?/;

/** Lower case, without accents, dots and other marks; `&` is `and`, and a leading `the` does not count. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\p{M}.'’`]/gu, '')
    .toLowerCase()
    .replaceAll('&', ' and ')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .replace(/^the /, '');
}

const alpha2Codes: ReadonlySet<string> = new Set(countries.map(({ alpha2 }) => alpha2));

const codes: ReadonlyMap<string, string> = new Map(
  countries.flatMap(({ alpha2, alpha3, names }) =>
    [alpha2, alpha3, ...names].map((name): [string, string] => [fold(name), alpha2]),
  ),
);
