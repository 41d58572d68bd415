// Wire identity → canonical identity, of an entity or of an account. Pure, and total over the wire schema; nothing of a
// person is guessed, and nothing is lost that Lean has written.
import type { CanonicalIdentity } from '../core/canonical-people.ts';
import { readDate } from '../core/local-date.ts';
import { fingerprintOf, hashContent } from './hash-content.ts';
import { createNotes, lastPerKey, type Notes } from './normalize-notes.ts';
import { normalizeAddress } from './normalize-party.ts';
import type { WireItem } from './read-list.ts';
import type { WireIdentity } from './wire-identity.ts';

/** One record per party, in the order of the list: joint holders and delegates each stay. */
export function normalizeIdentities(items: readonly WireItem<WireIdentity>[]): CanonicalIdentity[] {
  return lastPerKey(items.map(normalizeIdentity), ({ partyKey }) => partyKey);
}

function normalizeIdentity({ wire, raw }: WireItem<WireIdentity>): CanonicalIdentity {
  const notes = createNotes();
  /** Replies of 2023 repeat the person under v1 names, and some members only there. */
  const regional = wire.regional_data?.data ?? null;
  const birthDateText = notes.text(wire.birth_date ?? regional?.birth_date ?? null);
  const genderText = notes.text(wire.gender ?? regional?.gender ?? null);
  const mobileNumber = notes.text(wire.mobile_number ?? regional?.mobile_number ?? null);
  const content = {
    partyId: wire.party_id,
    partyNumber: notes.text(wire.party_number),
    fullName: notes.text(wire.full_legal_name ?? wire.full_name ?? regional?.full_name ?? wire.name),
    name: notes.text(wire.name),
    nationalId: notes.text(
      wire.national_id ?? wire.national_identity_number ?? regional?.national_identity_number ?? null,
    ),
    birthDate: readBirthDate(birthDateText, notes),
    birthDateText,
    gender: readGender(genderText, notes),
    genderText,
    email: notes.text(wire.email_address ?? regional?.email_address ?? null),
    phone: notes.text(wire.phone) ?? mobileNumber,
    mobileNumber,
    address: normalizeAddress(wire.address, notes),
    accountRole: notes.text(wire.account_role),
    partyType: notes.word('partyType', wire.party_type),
    legalStructure: notes.text(wire.legal_structure),
  };
  if (wire.party_id === null) notes.warn('PARTY_ID_MISSING');
  return {
    partyKey: wire.party_id ?? fingerprintOf(content),
    partyKeySource: wire.party_id === null ? 'fingerprint' : 'lean',
    ...content,
    contentHash: hashContent(content),
    raw,
    warnings: notes.warnings(),
  };
}

function readBirthDate(text: string | null, notes: Notes): string | null {
  const date = readDate(text);
  if (date === null && text !== null) notes.warn('DATE_UNREADABLE');
  return date;
}

const genders = new Map([
  ['F', 'FEMALE'],
  ['FEMALE', 'FEMALE'],
  ['M', 'MALE'],
  ['MALE', 'MALE'],
]);

/** Seen: `F`, `MALE`, `FEMALE`, `male`, blank and null. Whatever else comes stays as written. */
function readGender(text: string | null, notes: Notes): string | null {
  if (text === null) return null;
  const gender = genders.get(text.trim().toUpperCase());
  if (gender === undefined) notes.warn('WORD_UNKNOWN');
  return gender ?? text;
}
