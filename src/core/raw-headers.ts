// Reading header lines as node:http gives them raw: names and values in turn, repeats apart. Never joins two lines into
// one, and never takes an underscore for a hyphen.

/** node's own bound is silent and depends on its version: behind it, a line that stands alone is not known to. */
const maxHeaderLines = 100;

export function hasTooManyLines(rawHeaders: readonly string[]): boolean {
  return rawHeaders.length > 2 * maxHeaderLines;
}

/** Every value of a header, in order; names compare without case. */
export function headerValues(rawHeaders: readonly string[], name: string): string[] {
  const wanted = name.toLowerCase();
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [line, value] = [rawHeaders[index], rawHeaders[index + 1]];
    // No letter outside ASCII is in a header's name, so one of another length is another one.
    if (line?.length === wanted.length && line.toLowerCase() === wanted && value !== undefined)
      values.push(value);
  }
  return values;
}
