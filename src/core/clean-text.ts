// Text as a Postgres column can hold it. U+0000 and lone surrogates are legal in JSON and fail a whole statement.

const nulCharacter = '\u0000';
const replacement = '\uFFFD';

/** The same text with U+0000 and lone surrogates replaced by U+FFFD; equal to the input where there was nothing to do. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll(nulCharacter, replacement);
}
