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
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === wanted);
}
