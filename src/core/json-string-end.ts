// Where a string in a JSON text is over. Jumps from quote to quote, as nearly all of a text is within its strings.

const quote = '"';
const backslash = 0x5c;

/** The place behind the closing quote of the string that opens at `start`; of one that is never closed, behind the text. */
export function stringEnd(json: string, start: number): number {
  let end = json.indexOf(quote, start + 1);
  while (end !== -1 && isEscaped(json, end)) end = json.indexOf(quote, end + 1);
  return end === -1 ? json.length + 1 : end + 1;
}

/** An even number of backslashes spell each other. */
function isEscaped(json: string, place: number): boolean {
  let before = place;
  while (json.charCodeAt(before - 1) === backslash) before -= 1;
  return (place - before) % 2 === 1;
}
