// Reads X.501 names so that two spellings of one name compare equal, as OpenSSL does it: case and runs of blanks do not
// count, nor does the string type. Never compares printed names.
import { DerError, derTags, readElements, type DerElement } from './der.ts';
import { expectTag, readOid, readSequence } from './der-values.ts';

export interface NameAttribute {
  /** Object identifier, hex of its bytes. */
  readonly oid: string;
  readonly tag: number;
  /** null: no text type. */
  readonly text: string | null;
}

export interface DistinguishedName {
  /** One comparable string for each relative name, from the most significant on. */
  readonly parts: readonly string[];
  readonly attributes: readonly NameAttribute[];
  /** Equal exactly when the names are. */
  readonly key: string;
}

// 2.5.4.3 and 1.2.840.113549.1.9.1
export const commonNameOid = '550403';
export const emailAddressOid = '2a864886f70d010901';
export const ia5StringTag = 0x16;

/** Real names have fewer than ten. */
const maxAttributes = 64;

/** Throws DerError. */
export function readDistinguishedName(element: DerElement | undefined): DistinguishedName {
  const sets = readSequence(element).map((set) => readElements(expectTag(set, derTags.set).content));
  if (sets.some(({ length }) => length === 0)) throw new DerError('empty relative name');
  if (sets.flat().length > maxAttributes) throw new DerError('too many attributes in a name');
  const relativeNames = sets.map((attributes) => attributes.map(readAttribute));
  const parts = relativeNames.map((attributes) => JSON.stringify(attributes.map(comparable).toSorted()));
  return { parts, attributes: relativeNames.flat(), key: parts.join(',') };
}

/** True when `name` is `base` or lies below it. */
export function isWithinName(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.parts.every((part, index) => name.parts[index] === part);
}

interface ReadAttribute extends NameAttribute {
  readonly hex: string;
}

function readAttribute(element: DerElement): ReadAttribute {
  const [type, value, ...rest] = readSequence(element);
  if (value === undefined || rest.length > 0) throw new DerError('malformed attribute of a name');
  const { tag, content } = value;
  return {
    oid: readOid(type),
    tag,
    text: decoders[tag]?.(content) ?? null,
    hex: Buffer.from(content).toString('hex'),
  };
}

function comparable({ oid, tag, text, hex }: ReadAttribute): string {
  // Another sign than that of a text, which could itself read like this.
  if (text === null) return `${oid}#${tag}:${hex}`;
  const folded = text
    .replaceAll(/[\t\n\v\f\r ]+/g, ' ')
    .replaceAll(/^ | $/g, '')
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return `${oid}=${folded}`;
}

const latin1 = (content: Uint8Array) => Buffer.from(content).toString('latin1');

/** UTF8String, PrintableString, TeletexString, IA5String, VisibleString, UniversalString, BMPString. */
const decoders: Readonly<Record<number, (content: Uint8Array) => string>> = {
  0x0c: decodeUtf8,
  0x13: latin1,
  0x14: latin1,
  [ia5StringTag]: latin1,
  0x1a: latin1,
  0x1c: (content) => decodeWide(content, 4),
  0x1e: (content) => decodeWide(content, 2),
};

/** One for all: making one costs far more than decoding a name. */
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(content: Uint8Array): string {
  try {
    return strictUtf8.decode(content);
  } catch {
    throw new DerError('text is not UTF-8');
  }
}

function decodeWide(content: Uint8Array, width: number): string {
  if (content.length % width !== 0) throw new DerError('text is cut off');
  const bytes = Buffer.from(content);
  let text = '';
  for (let offset = 0; offset < bytes.length; offset += width) {
    const point = bytes.readUIntBE(offset, width);
    if (point > 0x10_ff_ff || (point >= 0xd8_00 && point < 0xe0_00)) throw new DerError('no such character');
    text += String.fromCodePoint(point);
  }
  return text;
}
