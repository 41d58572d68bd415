// The balances of simulated accounts: one of each type, with a zero, one of 18 digits, one without a date and one without
// a known sign. Amounts are decimal text, never numbers.
import type { Indicator, SimulatedBalance } from './customers.ts';
import type { Random } from './random.ts';

export function generateBalances(options: {
  random: Random;
  currency: string;
  at: string;
}): SimulatedBalance[] {
  const { random, currency, at } = options;
  return balanceTypes.map((type, position): SimulatedBalance => {
    const amount = balanceAmount(random, position);
    const line = {
      included: random.chance(0.5),
      type: random.pick(['AVAILABLE', 'CREDIT', 'EMERGENCY', 'PRE_AGREED', 'TEMPORARY']),
      amount: `${random.integer(1, 999)}.${random.digits(2)}`,
      currency,
    };
    return {
      type,
      currency,
      amount,
      creditDebitIndicator: balanceIndicator(type, amount),
      dateTime: type === 'INFORMATION' ? null : new Date(Date.parse(at) - position * 1000).toISOString(),
      creditLines: position % 3 === 2 ? [] : [line],
    };
  });
}

function balanceAmount(random: Random, position: number): string {
  if (position === 2) return '0';
  if (position === 3) return `${random.digits(16)}.${random.digits(2)}`;
  return `${random.integer(1, 250_000)}.${random.integer(0, 9)}${random.integer(0, 9)}`;
}

function balanceIndicator(type: string, amount: string): Indicator {
  if (type === 'FORWARD_AVAILABLE') return 'UNSUPPORTED';
  return type === 'EXPECTED' && amount !== '0' ? 'DEBIT' : 'CREDIT';
}

const balanceTypes = [
  'CLOSING_AVAILABLE',
  'CLOSING_BOOKED',
  'CLOSING_CLEARED',
  'INTERIM_AVAILABLE',
  'INTERIM_BOOKED',
  'EXPECTED',
  'FORWARD_AVAILABLE',
  'INFORMATION',
];
