// Compares a body the simulator makes with bodies Lean is documented to send: keys, types, forms of dates, spellings of
// enumerated words. So the simulator cannot drift into a Lean of our own invention.

export interface ShapeDifferences {
  /** Keys of ours that no example has. */
  strangers: string[];
  /** Keys the first example has and ours lack. */
  missing: string[];
  /** Places where ours has a type, or a form of text, that no example has there. */
  types: string[];
  /** Enumerated words no example and no list of Lean's has. */
  words: string[];
}

interface Place {
  types: Set<string>;
  values: Set<string>;
}

export interface ShapeExamples {
  /** The first is the form that ours must have in full; the others widen it. */
  examples: readonly string[];
  /** Enumerated words Lean documents, by the ending of their place: `accounts[].status`. */
  words?: Readonly<Record<string, readonly string[]>>;
  /** Places that are not compared. */
  except?: RegExp;
}

export function compareShapes(ours: string, options: ShapeExamples): ShapeDifferences {
  const { examples, words = {}, except = /^$/ } = options;
  const found = placesOf([ours]);
  const known = placesOf(examples);
  const first = placesOf(examples.slice(0, 1));
  const ofInterest = [...found].filter(([path]) => !except.test(path));
  return {
    strangers: ofInterest.filter(([path]) => !known.has(path)).map(([path]) => path),
    missing: [...first.keys()].filter(
      (path) => !found.has(path) && !except.test(path) && parentIsFilled(path, found),
    ),
    types: ofInterest.flatMap(([path, { types }]) => strangeTypes(path, { types, known: known.get(path) })),
    words: ofInterest.flatMap(([path, { values }]) =>
      strangeWords(path, { values, known: known.get(path), listed: listOf(path, words) }),
    ),
  };
}

/** Everything in these JSON texts by its place, `data.accounts[].currency` and so on. */
function placesOf(texts: readonly string[]): Map<string, Place> {
  const places = new Map<string, Place>();
  const visit = (value: unknown, path: string) => {
    const place = places.get(path) ?? { types: new Set(), values: new Set() };
    places.set(path, place);
    place.types.add(typeOf(value));
    if (typeof value === 'string') place.values.add(value);
    if (Array.isArray(value)) for (const item of value) visit(item, `${path}[]`);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) visit(item, path === '' ? key : `${path}.${key}`);
    }
  };
  for (const text of texts) visit(JSON.parse(text), '');
  return places;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value !== 'string') return typeof value;
  if (/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(value)) return 'date-time';
  return /^\d{4}-\d{2}-\d{2}$/.test(value) ? 'date' : 'string';
}

/** Null may stand everywhere, as Lean's documentation says; where only null is known, anything may. */
function strangeTypes(path: string, facts: { types: Set<string>; known: Place | undefined }): string[] {
  const known = new Set(facts.known?.types);
  known.delete('null');
  if (known.size === 0) return [];
  return [...facts.types]
    .filter((type) => type !== 'null' && !known.has(type))
    .map((type) => `${path}: ${type}, not ${[...known].join(' or ')}`);
}

function strangeWords(
  path: string,
  facts: { values: Set<string>; known: Place | undefined; listed: readonly string[] | undefined },
): string[] {
  if (facts.listed === undefined) return [];
  const known = new Set([...(facts.known?.values ?? []), ...facts.listed]);
  return [...facts.values].filter((value) => !known.has(value)).map((value) => `${path}: ${value}`);
}

/** The list of the longest ending that fits. */
function listOf(path: string, words: Readonly<Record<string, readonly string[]>>) {
  const fitting = Object.keys(words).filter((ending) => path === ending || path.endsWith(`.${ending}`));
  const [longest] = fitting.toSorted((one, other) => other.length - one.length);
  return longest === undefined ? undefined : words[longest];
}

/** A key below something that ours leave null or empty need not be there. */
function parentIsFilled(path: string, found: ReadonlyMap<string, Place>): boolean {
  const parent = path.replace(/(\.?[^.[]+|\[\])$/, '');
  if (path.endsWith('[]')) return false;
  const types = found.get(parent)?.types;
  return types !== undefined && types.has('object');
}
