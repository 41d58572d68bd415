// The people behind simulated entities: who gave the consent, and who holds or may act on an account. All are invented;
// what the captures have of oddities (a birthday to come, countries in words, no party id) is here too.
import type { Region } from './customers.ts';
import type { Random } from './random.ts';

export interface SimulatedAddress {
  addressLine: string | null;
  addressType: string | null;
  buildingName: string | null;
  townName: string | null;
  region: string | null;
  postCode: string | null;
  poBox: string | null;
  /** As the bank writes it. */
  countryText: string;
  /** ISO 3166-1 alpha-2 of `countryText`. */
  country: string;
}

export interface SimulatedIdentity {
  fullLegalName: string;
  name: string;
  nationalId: string | null;
  /** `YYYY-MM-DD` */
  birthDate: string | null;
  /** As the bank writes it: `F`, `MALE`, an empty text. */
  gender: string | null;
  email: string | null;
  phone: string | null;
  mobileNumber: string | null;
  address: SimulatedAddress;
  accountRole: string | null;
  partyType: string;
  /** Null where the bank gives none: then only the content tells one party from another. */
  partyId: string | null;
  partyNumber: string | null;
}

interface IdentityOptions {
  random: Random;
  region: Region;
  fullName: string;
}

/** The one who gave the consent. */
export function generateIdentity(options: IdentityOptions): SimulatedIdentity {
  const { region } = options;
  return party(options, {
    accountRole: region === 'ae' ? null : 'POWER_OF_ATTORNEY',
    partyType: region === 'ae' ? 'UNSUPPORTED' : 'SOLE',
    withId: true,
  });
}

/** Two parties of an account in Saudi Arabia, the second without an id on every other account; none in the UAE. */
export function generateAccountIdentities(
  options: IdentityOptions & { position: number },
): SimulatedIdentity[] {
  const { random, region, position } = options;
  if (region === 'ae') return [];
  const other = `${random.pick(otherNames)} ${random.letters(6)}`;
  return [
    party(options, { accountRole: 'ADMINISTRATOR', partyType: 'JOINT', withId: true }),
    party(
      { ...options, fullName: other },
      { accountRole: random.pick(roles), partyType: 'DELEGATE', withId: position % 2 === 0 },
    ),
  ];
}

/** What a later reading of the bank shows: the same people, some with another telephone number. */
export function refreshIdentity(identity: SimulatedIdentity, random: Random): void {
  if (identity.partyId !== null) identity.phone = random.digits(12);
}

function party(
  { random, region, fullName }: IdentityOptions,
  role: { accountRole: string | null; partyType: string; withId: boolean },
): SimulatedIdentity {
  const [countryText, country] = random.pick(countries);
  const mobileNumber = random.chance(0.2) ? null : `971${random.digits(9)}`;
  return {
    fullLegalName: fullName,
    name: fullName.split(' ')[0] ?? fullName,
    nationalId: random.chance(0.4) ? null : random.letters(20),
    birthDate: random.chance(0.1) ? null : random.pick(['1985-03-15', '2016-01-22', '2029-09-09']),
    gender: random.pick(['F', '', 'MALE', 'FEMALE', null]),
    email: random.chance(0.2) ? null : `${random.letters(8).toLowerCase()}@example.test`,
    phone: random.chance(0.1) ? null : random.digits(12),
    mobileNumber,
    address: {
      addressLine: random.chance(0.1)
        ? null
        : random.pick(['1201, Example Road, Dubai', '173 وحدة حي المثال']),
      addressType: random.pick([null, 'Business', 'RESIDENTIAL']),
      buildingName: random.chance(0.5) ? null : 'Example Tower',
      townName: random.pick(['Dubai', 'حي المثال', 'Exampleville']),
      region: random.chance(0.3) ? null : region === 'ae' ? 'Dubai' : '6',
      postCode: random.chance(0.3) ? null : `0${random.digits(4)}`,
      poBox: random.chance(0.5) ? null : random.digits(4),
      countryText,
      country,
    },
    accountRole: role.accountRole,
    partyType: role.partyType,
    partyId: role.withId ? `PT_${random.digits(16)}` : null,
    partyNumber: random.chance(0.2) ? null : random.letters(11),
  };
}

const countries: readonly (readonly [written: string, iso: string])[] = [
  ['AE', 'AE'],
  ['SA', 'SA'],
  ['Tanzania', 'TZ'],
  ['United Arab Emirates', 'AE'],
  ['Saudi Arabia', 'SA'],
];
const otherNames = ['Maha', 'Omar', 'Salma', 'Yusuf'];
const roles = ['BENEFICIARY', 'POWER_OF_ATTORNEY', 'ADMINISTRATOR'];
