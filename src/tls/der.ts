// A strict reader of DER for the few places of a certificate we read ourselves. It accepts exactly one encoding
// of a value and throws on everything else; it never guesses and never reads past what it was given.

/** Thrown for bytes that are not strict DER; the caller decides what that means. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export interface DerElement {
  /** The identifier byte as it is: class, constructed bit and number (numbers above 30 are refused). */
  readonly tag: number;
  readonly content: Uint8Array;
  /** The whole element as it stands, tag and length included: what signatures and fingerprints are made over. */
  readonly encoded: Uint8Array;
}

export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The elements of `bytes`, which must be filled by them to the last byte. */
export function readElements(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const { element, end } = readElementAt(bytes, offset);
    elements.push(element);
    offset = end;
  }
  return elements;
}

/** The one element that fills `bytes` and has this tag; its content. */
export function readOnly(bytes: Uint8Array, tag: number): Uint8Array {
  const element = readSole(bytes);
  if (element.tag !== tag) throw new DerError(`tag ${element.tag} where ${tag} belongs`);
  return element.content;
}

/** The one element that fills `bytes`, whatever its tag. */
export function readSole(bytes: Uint8Array): DerElement {
  const { element, end } = readElementAt(bytes, 0);
  if (end !== bytes.length) throw new DerError('bytes follow the value');
  return element;
}

function readElementAt(bytes: Uint8Array, offset: number): { element: DerElement; end: number } {
  const tag = byteAt(bytes, offset);
  if ((tag & 0x1f) === 0x1f) throw new DerError('tag number above 30');
  const { length, start } = readLength(bytes, offset + 1);
  const end = start + length;
  if (end > bytes.length) throw new DerError('value is cut off');
  const element = { tag, content: bytes.subarray(start, end), encoded: bytes.subarray(offset, end) };
  return { element, end };
}

/** Short form below 128, else the shortest long form; indefinite lengths are BER, not DER. */
function readLength(bytes: Uint8Array, offset: number): { length: number; start: number } {
  const first = byteAt(bytes, offset);
  if (first < 0x80) return { length: first, start: offset + 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 3) throw new DerError('length form not allowed');
  let length = 0;
  for (let index = 1; index <= count; index += 1) length = length * 256 + byteAt(bytes, offset + index);
  if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError('length is not minimal');
  return { length, start: offset + 1 + count };
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset];
  if (byte === undefined) throw new DerError('bytes end early');
  return byte;
}
