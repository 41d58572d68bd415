// The transactions of simulated accounts, with everything real lists have: rows of the same day and index, pending ones,
// Arabic text, missing details, amounts of up to 18 digits. Amounts are decimal text, never numbers.
import type { Indicator, Region } from './customers.ts';
import type { Random } from './random.ts';

export interface SimulatedTransaction {
  transactionId: string;
  information: string | null;
  reference: string | null;
  creditDebitIndicator: Indicator;
  currency: string;
  /** Unsigned, exactly as it is written into the reply. */
  amount: string;
  mutability: 'IMMUTABLE' | 'MUTABLE';
  status: 'BOOKED' | 'PENDING';
  /** ISO 8601 UTC, or null where the bank gives none. */
  bookingDateTime: string | null;
  valueDateTime: string | null;
  /** The day at the bank this row was made for; null together with `bookingDateTime`. */
  localDay: string | null;
  localTimeZone: string;
  index: number;
  insightsCategory: string | null;
  merchant: { categoryCode: string; name: string } | null;
  /** Of the other side; null where the bank does not tell. */
  counterparty: { name: string; iban: string; agent: string } | null;
  exchangeRate: string | null;
  transactionType: string;
  subTransactionType: string;
}

interface TransactionsOptions {
  random: Random;
  region: Region;
  currency: string;
  count: number;
  at: string;
}

const dayMs = 86_400_000;

/** `count` transactions over the year before `at`, in ascending order of booking, undated ones last. */
export function generateTransactions(options: TransactionsOptions): SimulatedTransaction[] {
  const { random, count, at } = options;
  const firstDay = Date.parse(at) - 360 * dayMs;
  const made = Array.from({ length: count }, (_, position) => {
    // Four rows share a day, so that (day, index) repeats as it does at real banks.
    const dayOffset = Math.floor((Math.floor(position / 4) / Math.max(1, count / 4)) * 359);
    const pending = position >= count - 2 && count > 4;
    return generateTransaction({ ...options, day: isoDay(firstDay + dayOffset * dayMs), position, pending });
  });
  const last = made.at(-1);
  if (last?.status === 'PENDING' && random.chance(0.5)) {
    last.bookingDateTime = null;
    last.valueDateTime = null;
    last.localDay = null;
  }
  return inListOrder(made);
}

/** Adds `count` transactions of the day of `at` to a list, and books its first pending one. */
export function addTransactions(list: SimulatedTransaction[], options: TransactionsOptions): void {
  const day = isoDay(Date.parse(options.at));
  const pending = list.find((transaction) => transaction.status === 'PENDING');
  if (pending) {
    pending.status = 'BOOKED';
    pending.mutability = 'IMMUTABLE';
    Object.assign(pending, instantsOf(day, pending.localTimeZone));
  }
  const added = Array.from({ length: options.count }, (_, position) =>
    generateTransaction({ ...options, day, position, pending: false }),
  );
  list.splice(0, list.length, ...inListOrder([...list, ...added]));
}

interface TransactionOptions extends TransactionsOptions {
  day: string;
  position: number;
  pending: boolean;
}

function generateTransaction(options: TransactionOptions): SimulatedTransaction {
  const { random, region, currency, day, position, pending } = options;
  const credit = random.chance(0.35);
  const localTimeZone = random.pick(timeZones[region]);
  const exchanged = random.chance(0.1);
  const numericId = region === 'sa' && random.chance(0.1);
  return {
    transactionId: numericId ? random.digits(12) : random.uuid(),
    information: random.chance(0.05) ? null : random.pick(descriptions[region]),
    reference: random.chance(0.1) ? null : random.letters(random.integer(8, 24)),
    creditDebitIndicator: random.chance(0.02) ? 'UNSUPPORTED' : credit ? 'CREDIT' : 'DEBIT',
    currency,
    amount: transactionAmount(random, position),
    mutability: pending ? 'MUTABLE' : 'IMMUTABLE',
    status: pending ? 'PENDING' : 'BOOKED',
    ...instantsOf(day, localTimeZone),
    localTimeZone,
    index: position % 3 === 0 ? 0 : random.integer(0, 2),
    insightsCategory: random.chance(0.3) ? random.pick(categories) : null,
    merchant: random.chance(0.6) ? { categoryCode: random.digits(4), name: random.pick(merchants) } : null,
    counterparty: random.chance(0.3)
      ? { name: `Counterparty ${random.letters(6)}`, iban: `AE${random.digits(21)}`, agent: 'MOCKAE01' }
      : null,
    exchangeRate: exchanged ? `0.${random.digits(10)}` : null,
    transactionType: exchanged ? 'INTERNATIONAL_TRANSFER' : random.pick(transactionTypes),
    subTransactionType: random.pick(['PURCHASE', 'REFUND', 'WITHDRAWAL', 'DEPOSIT', 'MONEY_TRANSFER', 'FEE']),
  };
}

/** Every spelling a bank may choose: integers, one to three decimals, trailing zeros, 18 digits. */
function transactionAmount(random: Random, position: number): string {
  switch (position % 12) {
    case 0:
      return String(random.integer(1, 9999));
    case 1:
      return `${random.integer(1, 999)}.0`;
    case 2:
      return random.digits(18);
    case 3:
      return `${random.digits(16)}.${random.digits(2)}`;
    case 4:
      return `${random.integer(0, 99)}.${random.digits(3)}`;
    case 5:
      return `0.0${random.digits(1)}`;
    case 6:
      return `${random.integer(1, 9999)}.${random.integer(0, 9)}0`;
    case 7:
      return '0';
    default:
      return `${random.integer(1, 99_999)}.${random.integer(0, 9)}${random.integer(1, 9)}`;
  }
}

/** Local midnight of `day`, in UTC, where the zone is an offset; local noon for a named zone. */
function instantsOf(day: string, localTimeZone: string) {
  const offset = /^UTC([+-]\d{2}:\d{2})$/.exec(localTimeZone)?.[1];
  const local = offset === undefined ? `${day}T12:00:00+03:00` : `${day}T00:00:00${offset}`;
  const bookingDateTime = new Date(local).toISOString().replace('.000Z', 'Z');
  return { bookingDateTime, valueDateTime: bookingDateTime, localDay: day };
}

function inListOrder(list: SimulatedTransaction[]): SimulatedTransaction[] {
  return list.toSorted((one, other) => {
    const first = one.bookingDateTime ?? '9999';
    const second = other.bookingDateTime ?? '9999';
    return first < second ? -1 : first > second ? 1 : 0;
  });
}

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

const timeZones: Readonly<Record<Region, readonly string[]>> = {
  ae: ['UTC+00:00', 'UTC+00:00', 'UTC+04:00'],
  sa: ['UTC+00:00', 'UTC+03:00', 'Asia/Riyadh'],
};
const descriptions: Readonly<Record<Region, readonly string[]>> = {
  ae: [
    'REVERSAL OF LATE FEE',
    'GROCERIES "CORNER SHOP" DUBAI ARE',
    'CARD PURCHASE \\ ONLINE / 12.50 USD',
    'تحويل محلي - فاتورة كهرباء',
    'SALARY TRANSFER\nMAY 2026',
  ],
  sa: [
    'GOVT-PMT:- MONTHLY SUPPORT /REF/TEST-042026',
    'مكافأة شهرية - اختبار /REF/TEST-APR26',
    'SAR 9.26 تم الشراء مع Mada Card في صيدلية',
    'شراء عبر الإنترنت 🛒',
    'ATM WITHDRAWAL RIYADH',
  ],
};
const categories = ['GROCERIES', 'TRANSPORT', 'RESTAURANTS_DINING', 'SALARY_AND_REVENUE', 'OTHER'];
const merchants = ['Corner Shop', 'صيدلية المثال', 'Test Telecom', 'Mock Airways'];
const transactionTypes = ['POS', 'E_COMMERCE', 'ATM', 'BILL_PAYMENTS', 'LOCAL_BANK_TRANSFER', 'OTHER'];
