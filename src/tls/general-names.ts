// Reads lists of general names (RFC 5280, 4.2.1.6): alternative names, and the bases of name constraints. A name we
// cannot read throws DerError; a kind we cannot compare is kept as such, never dropped.
import { DerError, derTags, readElements, readOnly, readSole, type DerElement } from './der.ts';
import { readOid } from './der-values.ts';
import { readDistinguishedName, type DistinguishedName } from './distinguished-name.ts';

export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly text: string }
  | { readonly kind: 'ip'; readonly bytes: Uint8Array }
  | { readonly kind: 'directory'; readonly name: DistinguishedName }
  | { readonly kind: 'other' | 'registeredId'; readonly text: string };

/** The names that fill `content`; at least one. */
export function readGeneralNames(content: Uint8Array): GeneralName[] {
  const names = readElements(content).map(readGeneralName);
  if (names.length === 0) throw new DerError('empty list of names');
  return names;
}

export function readGeneralName(element: DerElement): GeneralName {
  const { tag, content } = element;
  switch (tag) {
    case 0xa0:
      return { kind: 'other', text: readOtherName(content) };
    case 0x81:
      return { kind: 'email', text: readAscii(content) };
    case 0x82:
      return { kind: 'dns', text: readAscii(content) };
    case 0xa4:
      return { kind: 'directory', name: readDistinguishedName(readSole(content)) };
    case 0x86:
      return { kind: 'uri', text: readAscii(content) };
    case 0x87:
      return { kind: 'ip', bytes: content };
    case 0x88:
      return { kind: 'registeredId', text: Buffer.from(content).toString('hex') };
    default:
      // x400Address and ediPartyName: nobody has them, and reading them right is much code.
      throw new DerError(`general name of tag ${tag}`);
  }
}

/** A line break or a NUL in a name is a trick on whoever prints it. */
function readAscii(content: Uint8Array): string {
  if (content.some((byte) => byte < 0x20 || byte > 0x7e)) throw new DerError('name is not printable ASCII');
  return Buffer.from(content).toString('latin1');
}

function readOtherName(content: Uint8Array): string {
  const [type, value, ...rest] = readElements(content);
  if (value?.tag !== 0xa0 || rest.length > 0 || readElements(value.content).length !== 1)
    throw new DerError('malformed other name');
  return readOid(type);
}

/** The names inside a SEQUENCE that fills `bytes`. */
export function readGeneralNameList(bytes: Uint8Array): GeneralName[] {
  return readGeneralNames(readOnly(bytes, derTags.sequence));
}
