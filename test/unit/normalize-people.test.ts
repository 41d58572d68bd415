import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalIdentitySchema } from '../../src/core/canonical-people.ts';
import { parseLossless } from '../../src/core/lossless-json.ts';
import { listKinds, readPage } from '../../src/lean/lean-lists.ts';
import { readIdentityV1 } from '../../src/lean/lean-v1-replies.ts';
import { normalizeIdentities } from '../../src/lean/normalize-identity.ts';
import { readList } from '../../src/lean/read-list.ts';
import { wireIdentitySchema } from '../../src/lean/wire-identity.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { firstPage, readFixture } from '../support/lean-replies.ts';

function identitiesOf(name: string) {
  const page = readFixture(name, (source) => readPage(source, listKinds.identity, firstPage));
  expect(page.unreadable).toEqual([]);
  const found = normalizeIdentities(page.items);
  for (const person of found) canonicalIdentitySchema.parse(person);
  return found;
}

function people(...items: readonly unknown[]) {
  const bodyText = JSON.stringify({ items });
  const list = readList({
    bodyText,
    body: parseLossless(bodyText),
    path: ['items'],
    schema: wireIdentitySchema,
  });
  return normalizeIdentities(list?.items ?? []);
}

const noAddress = {
  address_line: null,
  address_type: null,
  building_type: null,
  building_name: null,
  building_number: null,
  apartment_or_villa_number: null,
  street: null,
  street_address: null,
  area: null,
  department: null,
  sub_department: null,
  post_code: null,
  po_box: null,
  town_name: null,
  region: null,
  country: null,
  country_text: null,
};

describe('captured and documented people', () => {
  it('v2-ksa-response-identity: whoever gave the consent', () => {
    expect(identitiesOf('v2-ksa-response-identity')).toEqual([
      {
        partyKey: '113619',
        partyKeySource: 'lean',
        partyId: '113619',
        partyNumber: 'VtSsDPEHNGb',
        fullName: 'Mae Darlene Zulauf Hilton Darlene Zulauf',
        name: 'Mae Darlene Zulauf',
        nationalId: null,
        birthDate: '2023-08-17',
        birthDateText: '2023-08-17',
        gender: 'FEMALE',
        genderText: 'F',
        email: 'yvone.jacobson@hotmail.com',
        phone: '664344234554',
        mobileNumber: '664344234554',
        address: {
          ...noAddress,
          address_line: 'Wunsch Expressway',
          street_address: 'Wunsch Expressway',
          post_code: '07647-8395',
          town_name: 'East Marjorie',
          region: 'Michigan',
          country: 'TZ',
          country_text: 'Tanzania',
        },
        accountRole: 'POWER_OF_ATTORNEY',
        partyType: 'JOINT',
        legalStructure: null,
        contentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        raw: expect.stringContaining('"party_number": "VtSsDPEHNGb"'),
        warnings: [],
      },
    ]);
  });

  it('v2-ksa-response-account-identities: both joint holders of one account', () => {
    const both = identitiesOf('v2-ksa-response-account-identities');
    expect(
      both.map(({ partyKey, fullName, partyType, accountRole }) => [
        partyKey,
        fullName,
        partyType,
        accountRole,
      ]),
    ).toEqual([
      ['113619', 'Mae Darlene Zulauf Hilton Darlene Zulauf', 'JOINT', 'POWER_OF_ATTORNEY'],
      ['113620', 'cS Hsiu', 'JOINT', 'BENEFICIARY'],
    ]);
    expect(both[1]).toMatchObject({
      birthDate: '2029-09-09',
      gender: null,
      genderText: null,
      address: { country: 'MP', country_text: 'Northern Mariana Islands' },
      warnings: [],
    });
  });

  it('v2-uae-response-identity: a party type that Lean does not know, kept as it is', () => {
    expect(identitiesOf('v2-uae-response-identity')).toMatchObject([
      {
        partyKey: '53533',
        fullName: 'Angelika Art Jacobs',
        nationalId: 'rHQEQyrYtBZhZRFrwnEIJlxdJS',
        birthDate: '2016-01-22',
        gender: null,
        email: 'lala.zboncak@yahoo.com',
        phone: '0116627329',
        partyType: 'UNSUPPORTED',
        accountRole: null,
        address: {
          address_line: '1201, Sheikh Zayed Road, Dubai, UAE',
          address_type: 'Business',
          apartment_or_villa_number: '101, 2',
          building_name: 'burj khalifa',
          po_box: '3779',
          country: 'AE',
          country_text: 'AE',
        },
        warnings: [],
      },
    ]);
  });

  it('v2-ksa-response-identity-openapi: names and addresses in Arabic', () => {
    expect(identitiesOf('v2-ksa-response-identity-openapi')).toMatchObject([
      {
        partyKey: 'PT_0000000029837526',
        partyNumber: '0000000029837526',
        fullName: 'ABDULLAH AHMED Lean',
        birthDate: '1985-03-15',
        gender: 'MALE',
        phone: '+966541782365',
        legalStructure: null,
        accountRole: 'ADMINISTRATOR',
        partyType: 'SOLE',
        address: { town_name: 'حي الياسمين', region: '6', country: 'SA' },
      },
    ]);
  });

  it('v2-uae-old-response-identity-verbose: what only its v1 part says is not lost', () => {
    expect(identitiesOf('v2-uae-old-response-identity-verbose')).toMatchObject([
      {
        partyKey: expect.stringMatching(/^fp_[0-9a-f]{64}$/),
        partyKeySource: 'fingerprint',
        partyId: null,
        fullName: 'MARY SMITH',
        nationalId: '784-1990-8478484-9',
        birthDate: '1990-05-09',
        gender: 'FEMALE',
        phone: '971585673015',
        address: { country: 'AE', country_text: 'United Arab Emirates' },
        warnings: ['PARTY_ID_MISSING'],
      },
    ]);
  });

  const sandboxUser = {
    partyKeySource: 'fingerprint',
    fullName: 'Sandbox User',
    nationalId: '123456789',
    birthDate: '1990-09-15',
    gender: 'MALE',
    genderText: 'male',
    email: 'sandboxuser1@leantech.me',
    phone: '07849720842',
    mobileNumber: '07849720842',
    address: { ...noAddress, address_line: '140 Tabernacle Street, Shoreditch EC2A 4SD' },
    warnings: ['PARTY_ID_MISSING'],
  };

  it('v1-response-identity-partial: one person, flat under payload', () => {
    const page = readFixture('v1-response-identity-partial', readIdentityV1);
    expect(page).toMatchObject({ isLastPage: true, isEndKnown: true, unreadable: [] });
    expect(normalizeIdentities(page.items)).toMatchObject([
      { ...sandboxUser, raw: expect.stringMatching(/^\{.*"full_name": "Sandbox User".*\}$/s) },
    ]);
  });

  it('v0-response-identity: one person without anything around', () => {
    const [person] = people(JSON.parse(readLeanFixture('v0-response-identity').bodyText));
    expect(person).toMatchObject({ ...sandboxUser, fullName: 'Sandbox user' });
  });
});

describe('people', () => {
  it.each([
    ['F', 'FEMALE'],
    ['FEMALE', 'FEMALE'],
    ['female', 'FEMALE'],
    ['M', 'MALE'],
    ['MALE', 'MALE'],
    ['male', 'MALE'],
    ['', null],
    [null, null],
    ['X', 'X'],
  ])('gender %j is %j', (gender, expected) => {
    expect(people({ gender })[0]).toMatchObject({
      gender: expected,
      genderText: gender === '' ? null : gender,
    });
  });

  it('keep a country and a day of birth that cannot be read as written, and say so', () => {
    expect(
      people({ party_id: 'p', birth_date: '15/09/1990', address: { country: 'Atlantis' } })[0],
    ).toMatchObject({
      birthDate: null,
      birthDateText: '15/09/1990',
      address: { country: null, country_text: 'Atlantis' },
      warnings: ['COUNTRY_UNKNOWN', 'DATE_UNREADABLE'],
    });
  });

  it('without an id of the bank have one key for equal content, whatever is around it', () => {
    const [first, second] = people({ name: 'A', regional_data: null }, { name: 'B' });
    expect(people({ name: 'A', unknown: 1 })[0]?.partyKey).toBe(first?.partyKey);
    expect(second?.partyKey).not.toBe(first?.partyKey);
    expect(people({ name: 'A' }, { name: 'A' })).toMatchObject([
      { warnings: ['ITEM_REPEATED', 'PARTY_ID_MISSING'] },
    ]);
  });

  it('who share or serve an account are all kept, each with a role of its own', () => {
    const parties = people(
      { party_id: '1', party_type: 'JOINT', account_role: 'PRINCIPAL' },
      { party_id: '2', party_type: 'JOINT', account_role: 'PRINCIPAL' },
      { party_id: '3', party_type: 'DELEGATE', account_role: 'POWER_OF_ATTORNEY' },
    );
    expect(
      parties.map(({ partyKey, partyType, accountRole, warnings }) => [
        partyKey,
        partyType,
        accountRole,
        warnings,
      ]),
    ).toEqual([
      ['1', 'JOINT', 'PRINCIPAL', []],
      ['2', 'JOINT', 'PRINCIPAL', []],
      ['3', 'DELEGATE', 'POWER_OF_ATTORNEY', []],
    ]);
  });

  it('have no address where Lean sends an empty one', () => {
    expect(people({ party_id: 'p', address: { country: '', region: null } })[0]?.address).toBeNull();
    expect(people({ party_id: 'p', address: {} })[0]?.address).toBeNull();
  });

  it('become canonical whatever the wire schema accepts', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u0000', '\ud800', 'F', 'ARE', '1990-02-30'),
    );
    const part = fc.oneof(
      text,
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom('country', 'street', 'data'), text),
    );
    const person = fc.dictionary(fc.constantFrom(...Object.keys(wireIdentitySchema.shape)), part);
    fc.assert(
      fc.property(fc.array(person, { maxLength: 5 }), (items) => {
        const records = people(...items);
        expect(records.filter((record) => !canonicalIdentitySchema.safeParse(record).success)).toEqual([]);
        expect(new Set(records.map(({ partyKey }) => partyKey)).size).toBe(records.length);
      }),
    );
  });
});
