// Reads what a process wrote the way a log collector does, and says what is wrong with it.

/** Control, format (bidi, zero-width), surrogate and private-use characters, line and paragraph separators. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;
/** A dozen short fields and two long ones. */
const longestLine = 8_192;

export interface ReadLine {
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Throws where a line is no JSON object, or the bytes are no UTF-8. */
export function readLines(stdout: Uint8Array): ReadLine[] {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(stdout);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({ text: line, fields: { ...JSON.parse(line) } }));
}

/** Lines that could deceive whoever reads them: raw characters that are not text, too long, or not of this process. */
export function deceivingLines(lines: readonly ReadLine[], pid: number): string[] {
  return lines
    .filter(({ text, fields }) => {
      const values = Object.values(fields).filter((value) => typeof value === 'string');
      const isText = [text, ...values].every((value) => !unprintable.test(value));
      const isShort = text.length <= longestLine;
      return !isText || !isShort || fields['pid'] !== pid || typeof fields['msg'] !== 'string';
    })
    .map(({ text }) => JSON.stringify(text.slice(0, 500)));
}
