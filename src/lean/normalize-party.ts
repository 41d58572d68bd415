// Addresses, accounts and banks of other people, as people and orders share them. Pure and total; what cannot be read
// as what its scheme says stays as written, with a warning.
import { normalizeBic } from '../core/bic.ts';
import type { CanonicalAddress, CanonicalAgent, CanonicalPartyAccount } from '../core/canonical-address.ts';
import { countryCode } from '../core/country.ts';
import { normalizeIban } from '../core/iban.ts';
import type { Notes } from './normalize-notes.ts';
import type { WireAddress, WireAgent, WirePartyAccount } from './wire-party.ts';

export function normalizeAddress(wire: WireAddress | null, notes: Notes): CanonicalAddress | null {
  if (wire === null || Object.values(wire).every((part) => part === null)) return null;
  return {
    address_line: notes.text(wire.address_line),
    address_type: notes.text(wire.address_type),
    building_type: notes.text(wire.building_type),
    building_name: notes.text(wire.building_name),
    building_number: notes.text(wire.building_number),
    apartment_or_villa_number: notes.text(wire.apartment_or_villa_number),
    street: notes.text(wire.street ?? wire.street_name),
    street_address: notes.text(wire.street_address),
    area: notes.text(wire.area),
    department: notes.text(wire.department),
    sub_department: notes.text(wire.sub_department),
    post_code: notes.text(wire.post_code),
    po_box: notes.text(wire.po_box),
    town_name: notes.text(wire.town_name),
    region: notes.text(wire.region ?? wire.country_sub_division ?? wire.country_subdivision),
    country: normalizeCountry(wire.country, notes),
    country_text: notes.text(wire.country),
  };
}

/** ISO 3166-1 alpha-2, from a code or a name. */
export function normalizeCountry(text: string | null, notes: Notes): string | null {
  const code = text === null ? null : countryCode(text);
  if (code === null && text !== null) notes.warn('COUNTRY_UNKNOWN');
  return code;
}

export function normalizePartyAccount(wire: WirePartyAccount, notes: Notes): CanonicalPartyAccount | null {
  if (wire === null) return null;
  const { name, scheme_name: scheme, identification } = wire;
  const iban = scheme === 'IBAN' && identification !== null ? normalizeIban(identification) : null;
  if (scheme === 'IBAN' && identification !== null && iban === null) notes.warn('IBAN_INVALID');
  return {
    name: notes.text(name),
    scheme_name: notes.word('accountScheme', scheme),
    identification: notes.text(identification),
    iban,
  };
}

export function normalizeAgent(wire: WireAgent, notes: Notes): CanonicalAgent | null {
  if (wire === null) return null;
  const { name, scheme_name: scheme, identification, postal_address: address } = wire;
  return {
    name: notes.text(name),
    scheme_name: notes.word('agentScheme', scheme),
    identification: notes.text(identification),
    bic: scheme === 'BICFI' ? readBic(identification, notes) : null,
    postal_address: normalizeAddress(address, notes),
  };
}

export function readBic(text: string | null, notes: Notes): string | null {
  const bic = text === null ? null : normalizeBic(text);
  if (bic === null && text !== null) notes.warn('BIC_INVALID');
  return bic;
}
