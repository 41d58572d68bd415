// Reads revocation lists (RFC 5280, section 5): whole lists of one authority, and no other kind. A list that cannot be
// read is remembered as such, because what it would have revoked is then unknown.
import { createHash } from 'node:crypto';
import {
  extensionOids,
  readAuthorityKeyId,
  readExtensionList,
  type AuthorityKeyId,
  type RawExtension,
} from './certificate-extensions.ts';
import { ChainRefused } from './chain-refusals.ts';
import { DerError, derTags, readElements, readOnly, readSole, type DerElement } from './der.ts';
import {
  expectTag,
  readBitStringBytes,
  readIntegerHex,
  readSequence,
  readSmallInteger,
  readTime,
} from './der-values.ts';
import { readDistinguishedName, type DistinguishedName } from './distinguished-name.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signature-algorithms.ts';

export interface RevocationList {
  readonly sha256: string;
  readonly issuer: DistinguishedName;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Content bytes of each revoked serial number, hex. */
  readonly revoked: ReadonlySet<string>;
  /** Which of its issuer's keys the list says it is signed with; null: it does not say. */
  readonly authorityKeyId: AuthorityKeyId | null;
  /** False: delta, indirect, limited to a part, or with a critical extension we do not know. */
  readonly isWhole: boolean;
  readonly algorithm: SignatureAlgorithm;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

export interface RevocationLists {
  readonly lists: readonly RevocationList[];
  /** False when one could not be read; then nobody is let in. */
  readonly isComplete: boolean;
  /** Changes with any of the lists; part of the key of a remembered verdict. */
  readonly version: string;
}

/** Reads every list (DER). Never throws for what is in them. */
export function readRevocationLists(listsDer: readonly Uint8Array[]): RevocationLists {
  const lists = listsDer.map(readListOrNull);
  const readable = lists.filter((list) => list !== null);
  const version = createHash('sha256');
  for (const der of listsDer) version.update(createHash('sha256').update(der).digest());
  return { lists: readable, isComplete: readable.length === lists.length, version: version.digest('hex') };
}

function readListOrNull(der: Uint8Array): RevocationList | null {
  try {
    return readRevocationList(der);
  } catch (error) {
    if (error instanceof DerError || error instanceof ChainRefused) return null;
    throw error;
  }
}

const version2 = 1;

function readRevocationList(der: Uint8Array): RevocationList {
  const [toBeSigned, outerAlgorithm, signature, ...rest] = readElements(readOnly(der, derTags.sequence));
  if (rest.length > 0) throw new DerError('fields behind the signature');
  const [version, algorithm, issuer, thisUpdate, nextUpdate, ...optional] = readSequence(toBeSigned);
  if (readSmallInteger(version) !== version2) throw new DerError('not version 2');
  if (Buffer.compare(expectTag(algorithm, derTags.sequence).encoded, outerAlgorithm?.encoded ?? der) !== 0)
    throw new DerError('the signed and the unsigned algorithm differ');
  const entriesField = optional[0]?.tag === derTags.sequence ? optional.shift() : undefined;
  const extensionsField = optional.shift();
  if (optional.length > 0) throw new DerError('more fields than there are');
  const entries = entriesField === undefined ? [] : readElements(entriesField.content).map(readEntry);
  const extensions =
    extensionsField === undefined
      ? []
      : readExtensionList(readSole(expectTag(extensionsField, 0xa0).content));
  if (new Set(extensions.map(({ oid }) => oid)).size !== extensions.length)
    throw new DerError('an extension stands twice');
  const keyIdentifier = extensions.find(({ oid }) => oid === extensionOids.authorityKeyIdentifier);
  return {
    sha256: createHash('sha256').update(der).digest('hex'),
    issuer: readDistinguishedName(issuer),
    thisUpdateMs: readTime(thisUpdate),
    // RFC 5280 demands it, and a list without an end would be current for ever.
    nextUpdateMs: readTime(nextUpdate),
    revoked: new Set(entries.map(({ serial }) => serial)),
    authorityKeyId: keyIdentifier ? readAuthorityKeyId(keyIdentifier) : null,
    isWhole: isWholeList(extensions) && entries.every(({ isPlain }) => isPlain),
    algorithm: readSignatureAlgorithm(expectTag(outerAlgorithm, derTags.sequence)),
    signed: expectTag(toBeSigned, derTags.sequence).encoded,
    signature: readBitStringBytes(signature),
  };
}

// deltaCRLIndicator, issuingDistributionPoint, certificateIssuer: 2.5.29.27, .28 and .29
const deltaOid = '551d1b';
const distributionPointOid = '551d1c';
const certificateIssuerOid = '551d1d';

function isWholeList(extensions: readonly RawExtension[]): boolean {
  return extensions.every(
    ({ oid, critical }) => !critical && oid !== deltaOid && oid !== distributionPointOid,
  );
}

/** Whatever the reason, and also on hold: what stands on the list is revoked. */
function readEntry(entry: DerElement): { serial: string; isPlain: boolean } {
  const [serial, date, extensions, ...rest] = readSequence(entry);
  readTime(date);
  if (rest.length > 0) throw new DerError('more fields than there are');
  const isPlain =
    extensions === undefined ||
    readExtensionList(extensions).every(({ oid, critical }) => !critical && oid !== certificateIssuerOid);
  return { serial: readIntegerHex(serial), isPlain };
}
