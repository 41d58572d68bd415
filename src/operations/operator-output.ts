// How commands show what they found. Whatever somebody else wrote goes through here first: no character that a terminal
// would obey gets out.

/** For people: one line, without control characters. */
export function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ');
}

/** For programs: the same value, with such characters written as escapes. */
export function safeJson(value: unknown, indent?: number): string {
  // A line break is left: JSON.stringify itself makes those of its layout, and escapes those within a text.
  return JSON.stringify(value, printable, indent).replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

function printable(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

export function counted(count: number, [one, many]: readonly [one: string, many: string]): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Names and values under each other; what is null is left out. */
export function factLines(facts: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${oneLine(textOf(value))}`).join('\n');
}

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : safeJson(value);
}

/** What a JSON body looks like without what it says: names are kept, values become their kind. */
export function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, redacted(inner)]));
  return value === null ? null : `<${typeof value === 'string' ? 'text' : typeof value}>`;
}
