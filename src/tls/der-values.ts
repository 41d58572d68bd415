// Reads single values out of DER elements: numbers, flags, bits, times, identifiers. One spelling each; everything
// else throws DerError. It never repairs a value.
import { DerError, derTags, readElements, type DerElement } from './der.ts';

/** The element, if it is there and has this tag. */
export function expectTag(element: DerElement | undefined, tag: number): DerElement {
  if (element?.tag !== tag) throw new DerError(`tag ${element?.tag ?? 'missing'} where ${tag} belongs`);
  return element;
}

/** The parts of a SEQUENCE. */
export function readSequence(element: DerElement | undefined): DerElement[] {
  return readElements(expectTag(element, derTags.sequence).content);
}

/** The bytes of an object identifier, lower-case hex: unique, and enough to compare. */
export function readOid(element: DerElement | undefined): string {
  const { content } = expectTag(element, derTags.objectIdentifier);
  // Numbers of seven bits a byte, each in its shortest form, the last one complete.
  const startsPadded = content.some((byte, at) => byte === 0x80 && (content[at - 1] ?? 0) < 0x80);
  if ((content.at(-1) ?? 0x80) >= 0x80 || startsPadded) throw new DerError('malformed object identifier');
  return Buffer.from(content).toString('hex');
}

/** DER knows one byte for true and one for false. */
export function readBoolean(element: DerElement | undefined): boolean {
  const { content } = expectTag(element, derTags.boolean);
  const [byte] = content;
  if (content.length !== 1 || (byte !== 0xff && byte !== 0)) throw new DerError('malformed boolean');
  return byte === 0xff;
}

/** The content bytes of an integer in its shortest form, lower-case hex. */
export function readIntegerHex(element: DerElement | undefined): string {
  const { content } = expectTag(element, derTags.integer);
  const [first, second = 0] = content;
  if (first === undefined) throw new DerError('empty integer');
  const padded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (padded) throw new DerError('integer is not minimal');
  return Buffer.from(content).toString('hex');
}

/** A number of at most four bytes that is not negative. */
export function readSmallInteger(element: DerElement | undefined): number {
  const hex = readIntegerHex(element);
  if (hex.length > 8 || /^[89a-f]/.test(hex)) throw new DerError('number out of range');
  return Number.parseInt(hex, 16);
}

/** Named bits, the first one named in bit 0 of the result; at most 16, trailing zero bits cut off as DER wants. */
export function readNamedBits(content: Uint8Array): number {
  const [unused = 8, ...bytes] = content;
  const last = bytes.at(-1);
  if (last === undefined ? unused !== 0 : unused > 7) throw new DerError('malformed bit string');
  if (bytes.length > 2) throw new DerError('bit string is too long');
  // The last bit that counts is a one, and those behind it are zero.
  if (last !== undefined && (last & (2 ** (unused + 1) - 1)) !== 2 ** unused)
    throw new DerError('bit string is not minimal');
  return bytes.reduce((bits, byte, index) => bits | (reverseBits(byte) << (8 * index)), 0);
}

/** The bytes of a bit string that is made of whole bytes: a key, a signature. */
export function readBitStringBytes(element: DerElement | undefined): Uint8Array {
  const { content } = expectTag(element, derTags.bitString);
  if (content.length < 2 || content[0] !== 0) throw new DerError('bit string is not made of whole bytes');
  return content.subarray(1);
}

/** Milliseconds since 1970. Seconds and Z are there, fractions and offsets are not (RFC 5280, 4.1.2.5). */
export function readTime(element: DerElement | undefined): number {
  const text = Buffer.from(element?.content ?? []).toString('latin1');
  if (element?.tag === derTags.utcTime && /^\d{12}Z$/.test(text)) {
    return readDigits(`${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}`);
  }
  if (element?.tag === derTags.generalizedTime && /^\d{14}Z$/.test(text)) return readDigits(text);
  throw new DerError('malformed time');
}

function readDigits(text: string): number {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const date = new Date(iso);
  // A 30th of February would silently become a day of March.
  if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) throw new DerError('no such moment');
  return date.getTime();
}

function reverseBits(byte: number): number {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit += 1) if (byte & (0x80 >> bit)) reversed |= 1 << bit;
  return reversed;
}
