// SQL text in which `@.` stands for the quoted schema, and `@'schema'` for its name as a text, as the migrations and the
// grants have it. Nothing else of it is ever replaced, so that what is printed for review is what runs.

/** A name as SQL has it: any text is one. */
export function quotedName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function qualified(text: string, schema: string): string {
  return text
    .replaceAll('@.', () => `${quotedName(schema)}.`)
    .replaceAll("@'schema'", () => quotedText(schema));
}
