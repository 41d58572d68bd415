// Which booking a pending payment has become: laws over generated accounts, and the bars one by one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchBookings, type Matchable, type MatchablePayment } from '../../src/core/match-bookings.ts';

const dayMs = 86_400_000;

function payment(transactionId: string, facts: Partial<MatchablePayment> = {}): MatchablePayment {
  return {
    transactionId,
    reference: null,
    amount: '15',
    currency: 'AED',
    indicator: 'DEBIT',
    day: '2026-05-05',
    listedAtMs: 0,
    identification: null,
    name: 'Blue Cup',
    merchantName: null,
    ...facts,
  };
}

/** Booked ones are listed after the pending ones unless told otherwise. */
const booking = (id: string, facts: Partial<MatchablePayment> = {}) =>
  payment(id, { listedAtMs: 1, ...facts });

function match(pending: readonly MatchablePayment[], booked: readonly MatchablePayment[], uses = 2) {
  const references = [...pending, ...booked].flatMap(({ reference }) => reference ?? []);
  const referenceUses = new Map(references.map((reference) => [reference, uses]));
  return matchBookings({ pending, booked, referenceUses });
}

const pairs = (matches: ReturnType<typeof match>) =>
  matches.map(({ pendingId, bookedId }) => `${pendingId}-${bookedId}`);

const facts = fc.record({
  reference: fc.constantFrom(null, 'FT0000001', 'FT0000002', 'NONREF'),
  amount: fc.constantFrom('15', '16'),
  indicator: fc.constantFrom('DEBIT', 'CREDIT', null),
  day: fc.constantFrom('2026-05-01', '2026-05-05', '2026-05-08', '2026-05-20', null),
  name: fc.constantFrom('Blue Cup', 'Red Cup', null),
  listedAtMs: fc.integer({ min: 0, max: 3 }),
});

const account = fc
  .tuple(fc.array(facts, { maxLength: 6 }), fc.array(facts, { maxLength: 6 }))
  .map(([pending, booked]): Matchable => ({
    pending: pending.map((one, index) => payment(`p${index}`, one)),
    booked: booked.map((one, index) => booking(`b${index}`, one)),
    referenceUses: new Map([
      ['FT0000001', 2],
      ['FT0000002', 3],
    ]),
  }));

describe('of any account', () => {
  it('nobody is matched twice, and always with somebody of the same direction who was listed later', () => {
    fc.assert(
      fc.property(account, (given) => {
        const matches = matchBookings(given);
        expect(new Set(matches.map(({ pendingId }) => pendingId)).size).toBe(matches.length);
        expect(new Set(matches.map(({ bookedId }) => bookedId)).size).toBe(matches.length);
        for (const { pendingId, bookedId, rule, confidence } of matches) {
          const one = given.pending.find(({ transactionId }) => transactionId === pendingId);
          const other = given.booked.find(({ transactionId }) => transactionId === bookedId);
          expect(other?.indicator).toBe(one?.indicator);
          expect(other?.listedAtMs).toBeGreaterThan(one?.listedAtMs ?? Number.NaN);
          expect(Number(confidence)).toBeGreaterThanOrEqual(0.8);
          const days = (Date.parse(other?.day ?? '') - Date.parse(one?.day ?? '')) / dayMs;
          expect(days).not.toBeLessThan(-2);
          const isByReference = rule === 'reference' && other?.reference === one?.reference;
          const isAlike = other?.amount === one?.amount && other?.name === one?.name && days <= 7;
          expect(isByReference || isAlike).toBe(true);
        }
      }),
    );
  });

  it('the order of the rows does not matter', () => {
    fc.assert(
      fc.property(account, (given) => {
        const matches = matchBookings(given);
        const turned = { ...given, pending: given.pending.toReversed(), booked: given.booked.toReversed() };
        expect(pairs(matchBookings(turned)).toSorted()).toEqual(pairs(matches).toSorted());
      }),
    );
  });
});

type Compared = [
  name: string,
  pending: Partial<MatchablePayment>,
  booked: Partial<MatchablePayment>,
  matches: number,
];

function sameFiller(filler: string): Compared {
  return [`nobody where a bank writes ${filler} for a name`, { name: filler }, { name: filler }, 0];
}

const many = (length: number) => Array.from({ length }, (_one, place) => String(place).padStart(3, '0'));

describe('a pending payment', () => {
  it('goes with the oldest of as many alike', () => {
    const pending = [payment('p2', { day: '2026-05-06' }), payment('p1')];
    const booked = [booking('b2', { day: '2026-05-08' }), booking('b1', { day: '2026-05-07' })];
    const matches = match(pending, booked);
    expect(pairs(matches)).toEqual(['p1-b1', 'p2-b2']);
    expect(matches.map(({ confidence }) => confidence)).toEqual(['0.8', '0.8']);
  });

  it.each([
    ['two bookings', [payment('p')], [booking('b1'), booking('b2')]],
    ['two pending ones', [payment('p1'), payment('p2')], [booking('b')]],
    [
      'alike ones of which the oldest would have to go with one that was there before',
      [payment('p1', { listedAtMs: 2 }), payment('p2')],
      [booking('b1'), booking('b2', { listedAtMs: 3, day: '2026-05-06' })],
    ],
  ])('is not guessed among %s', (_name, pending, booked) => {
    expect(match(pending, booked)).toEqual([]);
  });

  it.each<Compared>([
    [
      'the account number before the name',
      { identification: 'AE1', name: 'A' },
      { identification: 'AE1', name: 'B' },
      1,
    ],
    ['another account number under one name', { identification: 'AE1' }, { identification: 'AE2' }, 0],
    ['the name in other letters and spaces', { name: 'Blue  cup ' }, { name: 'BLUE CUP' }, 1],
    [
      'the merchant where nobody is named',
      { name: null, merchantName: 'Cup' },
      { name: null, merchantName: 'CUP' },
      1,
    ],
    [
      'a name on one side and a merchant on the other',
      { name: 'Cup' },
      { name: null, merchantName: 'Cup' },
      0,
    ],
    ...['NOTPROVIDED', 'Not provided', 'unknown', 'N/A', 'na', '***', '- '].map(sameFiller),
    [
      'the merchant behind a filler',
      { name: 'UNKNOWN', merchantName: 'Cup' },
      { name: 'NA', merchantName: 'Cup' },
      1,
    ],
  ])('compares %s', (_name, one, other, matches) => {
    expect(match([payment('p', one)], [booking('b', other)])).toHaveLength(matches);
  });

  it('with a reference that others have too falls back to what it was paid for', () => {
    const [one, other] = [
      payment('p', { reference: 'CONTRACT 77' }),
      booking('b', { reference: 'CONTRACT 77' }),
    ];
    expect(match([one], [other], 3)).toMatchObject([{ rule: 'amount_and_counterparty' }]);
    expect(match([one], [{ ...other, amount: '16' }], 3)).toEqual([]);
    expect(match([one], [{ ...other, amount: '16' }])).toMatchObject([
      { rule: 'reference', confidence: '0.95' },
    ]);
  });

  it('with the reference of a booking more than a month later is another payment', () => {
    const pending = [payment('p', { reference: 'FT0000001', amount: '1' })];
    expect(match(pending, [booking('b', { reference: 'FT0000001', day: '2026-06-04' })])).toHaveLength(1);
    expect(match(pending, [booking('b', { reference: 'FT0000001', day: '2026-06-05' })])).toEqual([]);
  });

  it('with the card’s number for a reference is not tied to another amount of another merchant', () => {
    const card = { reference: 'XXXX1234' };
    const pending = [payment('p', { ...card, amount: '200' })];
    const elsewhere = { ...card, amount: '187.4', name: 'Red Cup' };
    expect(match(pending, [booking('b', elsewhere)])).toEqual([]);
    expect(match(pending, [booking('b', { ...elsewhere, name: null })])).toMatchObject([
      { rule: 'reference', confidence: '0.95' },
    ]);
    expect(match(pending, [booking('b', { ...elsewhere, amount: '200' })])).toMatchObject([
      { rule: 'reference', confidence: '1' },
    ]);
  });

  it('with a reference that nobody has counted is not tied by it', () => {
    const reference = 'FT0000001';
    const [pending, booked] = [[payment('p', { reference, amount: '1' })], [booking('b', { reference })]];
    expect(matchBookings({ pending, booked, referenceUses: new Map() })).toEqual([]);
  });

  it.each([{}, { reference: 'FT0000001' }])('has not become a booking of three days before: %j', (own) => {
    const pending = [payment('p', own)];
    expect(match(pending, [booking('b', { ...own, day: '2026-05-03' })])).toHaveLength(1);
    expect(match(pending, [booking('b', { ...own, day: '2026-05-02' })])).toEqual([]);
  });

  it('is not looked for among more pairs of one amount than 10,000', () => {
    const match100 = match(
      many(100).map((id) => payment(id)),
      many(100).map((id) => booking(`b${id}`)),
    );
    expect(match100).toHaveLength(100);
    const match101 = match(
      many(101).map((id) => payment(id)),
      many(101).map((id) => booking(`b${id}`)),
    );
    expect(match101).toEqual([]);
  });
});
