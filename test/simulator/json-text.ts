// Writes JSON with numbers spelled exactly as given: `10.0` stays `10.0`, and 18 digits stay 18 digits.
declare global {
  interface JSON {
    /** In the language since ES2026; TypeScript's library does not have it yet. */
    rawJSON(text: string): NumberLiteral;
  }
}

/** An opaque value that `JSON.stringify` writes verbatim. */
export interface NumberLiteral {
  readonly rawJSON: string;
}

const pattern = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** A JSON number with this very spelling. Throws where the text is no JSON number. */
export function numberLiteral(text: string): NumberLiteral {
  if (!pattern.test(text)) throw new Error(`not a JSON number: ${text}`);
  return JSON.rawJSON(text);
}
