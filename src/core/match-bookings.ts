// Which booking a pending payment has become, when Lean gives the booking an id of its own. Pure. By an explicit
// reference, else by amount, direction and counterparty within days; whatever is not certain enough stays unmatched.

export interface Counterparty {
  readonly identification: string | null;
  readonly name: string | null;
  readonly merchantName: string | null;
}

export interface MatchablePayment extends Counterparty {
  readonly transactionId: string;
  /** Without blanks at either end: references are counted as they are compared. */
  readonly reference: string | null;
  /** Decimal text without trailing zeros, so that equal amounts are equal texts. */
  readonly amount: string;
  readonly currency: string | null;
  readonly indicator: string | null;
  /** Booking day, else value day. */
  readonly day: string | null;
  /** Milliseconds since 1970: of a pending one when a list last had it, of a booked one when a list first had it. */
  readonly listedAtMs: number;
}

export interface Matchable {
  /** Gone from the lists. */
  readonly pending: readonly MatchablePayment[];
  /** Not claimed by another pending one. */
  readonly booked: readonly MatchablePayment[];
  /** How many payments of the account carry a reference, superseded ones included. */
  readonly referenceUses: ReadonlyMap<string, number>;
}

export interface BookingMatch {
  readonly pendingId: string;
  readonly bookedId: string;
  readonly rule: 'reference' | 'amount_and_counterparty';
  /** Decimal text from 0 to 1. */
  readonly confidence: string;
}

/** A card hold lapses after about a month, so an older reference is of another payment. */
export const referenceDays = 30;
const counterpartyDays = 7;
/** A booking may be dated before its payment by time zones and value days, and by no more. */
export const earlierDays = 2;
/** So many pairs of one amount are no account of a person's: nobody could tell them apart. */
const pairsLimit = 10_000;

const confidenceOf = {
  /** Reference and amount agree. */
  reference: '1',
  /** The amount was settled otherwise than it was held: fuel, tips, foreign currency. */
  referenceOnly: '0.95',
  /** One payment on either side. */
  onlyOne: '0.9',
  /** As many bookings as pending payments, all alike: the oldest with the oldest. */
  inOrder: '0.8',
} as const;

/** The same whatever the order of the lists; nobody is matched twice. */
export function matchBookings({ pending, booked, referenceUses }: Matchable): BookingMatch[] {
  const byReference = matchReferences({ pending, booked, referenceUses });
  const pendingIds = new Set(byReference.map(({ pendingId }) => pendingId));
  const bookedIds = new Set(byReference.map(({ bookedId }) => bookedId));
  const rest = {
    pending: pending.filter(({ transactionId }) => !pendingIds.has(transactionId)),
    booked: booked.filter(({ transactionId }) => !bookedIds.has(transactionId)),
  };
  return [...byReference, ...matchCounterparties(rest)];
}

type Sides = Pick<Matchable, 'pending' | 'booked'>;

/** Only where one pending payment and one booking share it, and nobody else of the account ever had it. */
function matchReferences({ pending, booked, referenceUses }: Matchable): BookingMatch[] {
  const named = pending.flatMap((one) => explicitNames(one).map((name) => [name, one] as const));
  const byName = Map.groupBy(named, ([name]) => name);
  const edges = booked.flatMap((booking) =>
    explicitNames(booking).flatMap((name) =>
      (referenceUses.get(name) ?? Infinity) > 2
        ? []
        : (byName.get(name) ?? [])
            .filter(([, one]) => mayBeSettledAs(one, booking) && follows(one, booking, referenceDays))
            .map(([, one]) => ({ pending: one, booked: booking })),
    ),
  );
  return components(edges).flatMap((group) => {
    const [one] = group.pending;
    const [booking] = group.booked;
    if (one === undefined || booking === undefined || group.pending.length + group.booked.length > 2)
      return [];
    const confidence = one.amount === booking.amount ? confidenceOf.reference : confidenceOf.referenceOnly;
    return [matchOf(one, booking, { rule: 'reference', confidence })];
  });
}

/** What a bank puts there may be a card's number: another amount for somebody else is another payment. */
function mayBeSettledAs(one: MatchablePayment, booking: MatchablePayment): boolean {
  if (!isSameDirection(one, booking)) return false;
  return one.amount === booking.amount || compareCounterparties(one, booking) !== 'other';
}

/** Banks' fillers, such as NOTPROVIDED or NONREF, have no digit; a short number may be anybody's. */
const explicitName = /^(?=.*\d).{6,}$/;

/** By which a bank may name the payment; one of them may name the other by its id. */
export function explicitNames({ reference, transactionId }: MatchablePayment): string[] {
  const names = [reference ?? '', transactionId.startsWith('fp_') ? '' : transactionId];
  return [...new Set(names)].filter((name) => explicitName.test(name));
}

/** Alike ones are told apart by their order only where there are as many on both sides. */
function matchCounterparties({ pending, booked }: Sides): BookingMatch[] {
  const byAmount = Map.groupBy(pending, amountKey);
  const bookedByAmount = Map.groupBy(booked, amountKey);
  const isTooMany = (key: string) =>
    (byAmount.get(key)?.length ?? 0) * (bookedByAmount.get(key)?.length ?? 0) > pairsLimit;
  const edges = booked.flatMap((booking) =>
    (isTooMany(amountKey(booking)) ? [] : (byAmount.get(amountKey(booking)) ?? []))
      .filter(
        (one) =>
          isSameDirection(one, booking) &&
          compareCounterparties(one, booking) === 'same' &&
          one.day !== null &&
          booking.day !== null &&
          follows(one, booking, counterpartyDays),
      )
      .map((one) => ({ pending: one, booked: booking })),
  );
  const isEdge = new Set(edges.map((edge) => edgeKey(edge.pending, edge.booked)));
  return components(edges).flatMap((group) => {
    if (group.pending.length !== group.booked.length) return [];
    const bookings = group.booked.toSorted(byAge);
    const pairs = group.pending.toSorted(byAge).flatMap((one, place) => {
      const booking = bookings[place];
      return booking === undefined ? [] : [[one, booking] as const];
    });
    if (!pairs.every(([one, booking]) => isEdge.has(edgeKey(one, booking)))) return [];
    const confidence = pairs.length === 1 ? confidenceOf.onlyOne : confidenceOf.inOrder;
    return pairs.map(([one, booking]) =>
      matchOf(one, booking, { rule: 'amount_and_counterparty', confidence }),
    );
  });
}

function amountKey({ amount, currency, indicator }: MatchablePayment): string {
  return JSON.stringify([amount, currency, indicator]);
}

function edgeKey(one: MatchablePayment, booking: MatchablePayment): string {
  return JSON.stringify([one.transactionId, booking.transactionId]);
}

function byAge(left: MatchablePayment, right: MatchablePayment): number {
  const keyOf = ({ day, transactionId }: MatchablePayment) => `${day ?? ''} ${transactionId}`;
  return keyOf(left) < keyOf(right) ? -1 : 1;
}

function isSameDirection(one: MatchablePayment, booking: MatchablePayment): boolean {
  return one.indicator !== null && one.indicator === booking.indicator && one.currency === booking.currency;
}

/** By the surest of what both say; where they share nothing nobody knows. */
function compareCounterparties(one: Counterparty, booking: Counterparty): 'same' | 'other' | 'unknown' {
  for (const name of ['identification', 'name', 'merchantName'] as const) {
    const [left, right] = [comparable(one[name]), comparable(booking[name])];
    if (left !== '' && right !== '') return left === right ? 'same' : 'other';
  }
  return 'unknown';
}

/** What banks write where they have no name. */
const fillers = new Set(['NOTPROVIDED', 'NOT PROVIDED', 'UNKNOWN', 'N/A', 'NA']);

/** Empty where nobody is named. */
function comparable(text: string | null): string {
  const name = (text ?? '').normalize('NFKC').replace(/\s+/g, ' ').trim().toUpperCase();
  return fillers.has(name) || !/[\p{L}\p{N}]/u.test(name) ? '' : name;
}

const dayMs = 86_400_000;

/** A booking that was listed while the payment was still pending is another payment. */
function follows(one: MatchablePayment, booking: MatchablePayment, days: number): boolean {
  if (booking.listedAtMs <= one.listedAtMs) return false;
  if (one.day === null || booking.day === null) return true;
  const gapMs = Date.parse(booking.day) - Date.parse(one.day);
  return gapMs >= -earlierDays * dayMs && gapMs <= days * dayMs;
}

interface Edge {
  readonly pending: MatchablePayment;
  readonly booked: MatchablePayment;
}

interface Group {
  readonly pending: readonly MatchablePayment[];
  readonly booked: readonly MatchablePayment[];
}

/** Whoever can be exchanged for one another, over any number of steps. */
function components(edges: readonly Edge[]): Group[] {
  const ofPending = Map.groupBy(edges, (edge) => edge.pending.transactionId);
  const ofBooked = Map.groupBy(edges, (edge) => edge.booked.transactionId);
  const seen = new Set<Edge>();
  const groups: Group[] = [];
  for (const first of edges) {
    if (seen.has(first)) continue;
    const reached = [first];
    seen.add(first);
    for (let place = 0; place < reached.length; place += 1) {
      const edge = reached[place];
      if (edge === undefined) break;
      const next = [
        ...(ofPending.get(edge.pending.transactionId) ?? []),
        ...(ofBooked.get(edge.booked.transactionId) ?? []),
      ].filter((one) => !seen.has(one));
      for (const one of next) seen.add(one);
      reached.push(...next);
    }
    groups.push({
      pending: [...new Map(reached.map(({ pending }) => [pending.transactionId, pending])).values()],
      booked: [...new Map(reached.map(({ booked }) => [booked.transactionId, booked])).values()],
    });
  }
  return groups;
}

function matchOf(
  one: MatchablePayment,
  booking: MatchablePayment,
  { rule, confidence }: Pick<BookingMatch, 'rule' | 'confidence'>,
): BookingMatch {
  return { pendingId: one.transactionId, bookedId: booking.transactionId, rule, confidence };
}
