// Values that exist nowhere else, and a search that finds them in any bytes however they are spelled there.

export type Canaries = Readonly<Record<string, string>>;

export interface Searcher {
  /** Names of the canaries that are in there, under any spelling. */
  in(haystack: Uint8Array | string): string[];
}

export function createSearcher(canaries: Canaries): Searcher {
  const needles = Object.entries(canaries).flatMap(([name, canary]) =>
    spellings(canary).map((needle) => ({ name, needle })),
  );
  return {
    in(haystack) {
      const bytes = Buffer.from(haystack);
      const found = needles.filter(({ needle }) => bytes.includes(needle)).map(({ name }) => name);
      return [...new Set(found)].toSorted();
    },
  };
}

function spellings(canary: string): Buffer[] {
  const utf8 = Buffer.from(canary);
  const hex = utf8.toString('hex');
  const texts = [
    canary,
    canary.toLowerCase(),
    hex,
    hex.toUpperCase(),
    encodeURIComponent(canary),
    escaped(canary),
    // Postgres prints bytes beyond ASCII in octal, Redis' command log in hexadecimal.
    printed(utf8, (byte) => `\\${byte.toString(8).padStart(3, '0')}`),
    printed(utf8, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`),
    ...insideBase64(utf8),
  ];
  const wide = Buffer.from(canary, 'utf16le');
  return [...new Set(texts)].map((text) => Buffer.from(text)).concat(wide, Buffer.from(wide).swap16());
}

/** As JSON may spell what is not ASCII. */
function escaped(text: string): string {
  return text.replaceAll(
    /[^ -~]/g,
    (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function printed(bytes: Buffer, spell: (byte: number) => string): string {
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCodePoint(byte) : spell(byte),
  ).join('');
}

/** What base64 and base64url make of it at each of the three places it can begin; the ends, which mix with neighbours, left out. */
function insideBase64(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const clean = padded.toString('base64').replaceAll('=', '');
    const inner = clean.slice(before === 0 ? 0 : before + 1, padded.length % 3 === 0 ? undefined : -1);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
