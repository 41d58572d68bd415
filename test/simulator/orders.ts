// What simulated customers have arranged with their bank: beneficiaries, direct debits, standing orders and scheduled
// payments, some without an id, some with hardly any details. Amounts are decimal text, never numbers.
import type { Region } from './customers.ts';
import type { Random } from './random.ts';
import type { DataKind } from './refresh-words.ts';

export interface SimulatedCreditor {
  account: { schemeName: string; identification: string; name: string | null } | null;
  agent: { schemeName: string | null; identification: string; name: string | null } | null;
}

export interface SimulatedBeneficiary {
  /** Null where the bank gives none; so for every kind below. */
  id: string | null;
  type: string;
  holderName: string | null;
  reference: string | null;
  creditor: SimulatedCreditor;
}

export interface SimulatedDirectDebit {
  id: string | null;
  name: string | null;
  status: string;
  frequency: string;
  mandate: string | null;
  /** ISO 8601 UTC. */
  previousAt: string | null;
  previousAmount: string | null;
  currency: string;
}

export interface SimulatedStandingOrder {
  id: string | null;
  status: string;
  type: string;
  purpose: string | null;
  reference: string | null;
  frequencyType: string;
  interval: string | null;
  numberOfPayments: number | null;
  firstAt: string | null;
  lastAt: string | null;
  nextAt: string | null;
  finalAt: string | null;
  amount: string;
  currency: string;
  creditor: SimulatedCreditor;
}

export interface SimulatedScheduledPayment {
  id: string | null;
  type: string;
  at: string | null;
  debtorReference: string | null;
  reference: string | null;
  amount: string;
  currency: string;
  creditor: SimulatedCreditor;
}

export interface SimulatedOrders {
  beneficiaries: SimulatedBeneficiary[];
  directDebits: SimulatedDirectDebit[];
  standingOrders: SimulatedStandingOrder[];
  scheduledPayments: SimulatedScheduledPayment[];
}

interface OrdersOptions {
  random: Random;
  region: Region;
  currency: string;
  at: string;
}

const dayMs = 86_400_000;

/** Of one account. The UAE's banks support none of the four kinds. */
export function generateOrders(options: OrdersOptions): SimulatedOrders {
  if (options.region === 'ae') {
    return { beneficiaries: [], directDebits: [], standingOrders: [], scheduledPayments: [] };
  }
  return {
    beneficiaries: several(4, (position) => beneficiary(options, position)),
    directDebits: several(3, (position) => directDebit(options, position)),
    standingOrders: several(3, (position) => standingOrder(options, position)),
    scheduledPayments: several(3, (position) => scheduledPayment(options, position)),
  };
}

/** A later reading: the next payments move, one scheduled payment was made and is gone, a new one has been arranged. */
export function refreshOrders(
  orders: SimulatedOrders,
  options: OrdersOptions & { read: (kind: DataKind) => boolean },
): void {
  const { region, at, read } = options;
  if (region === 'ae') return;
  for (const order of read('standing_orders') ? orders.standingOrders : []) {
    if (order.nextAt === null) continue;
    order.lastAt = order.nextAt;
    order.nextAt = later(order.nextAt, 30);
  }
  if (read('scheduled_payments')) {
    orders.scheduledPayments.shift();
    orders.scheduledPayments.push(scheduledPayment(options, 0));
  }
  for (const debit of read('direct_debits') ? orders.directDebits : []) {
    if (debit.id !== null) debit.previousAt = at;
  }
}

function beneficiary({ random }: OrdersOptions, position: number): SimulatedBeneficiary {
  return {
    id: idOrNone(position, random.digits(6)),
    type: random.pick(['TRUSTED', 'ORDINARY', 'OTHER', 'UNSUPPORTED']),
    holderName: random.chance(0.3) ? null : 'Basil Exampleton',
    reference: `${random.pick(['KSA_OB_ACTIVATED', 'KSA_OB_NOT_ACTIVATED', 'إيجار'])} ${random.letters(5)}`,
    creditor: creditor(random, position),
  };
}

function directDebit({ random, currency, at }: OrdersOptions, position: number): SimulatedDirectDebit {
  const paid = position !== 1;
  return {
    id: idOrNone(position, random.uuid()),
    name: `Collector ${random.letters(6)}`,
    status: random.pick(['ACTIVE', 'INACTIVE']),
    frequency: random.pick(['MONTHLY', 'HALF_YEARLY', 'NOT_KNOWN', 'UNSUPPORTED']),
    mandate: random.chance(0.3) ? null : random.letters(11),
    previousAt: paid ? `${later(at, -random.integer(1, 300)).slice(0, 10)}T00:00:00Z` : null,
    previousAmount: paid ? amountOf(random, position) : null,
    currency,
  };
}

function standingOrder({ random, currency, at }: OrdersOptions, position: number): SimulatedStandingOrder {
  const over = position === 1;
  return {
    id: idOrNone(position, random.uuid()),
    status: over ? 'INACTIVE' : 'ACTIVE',
    type: random.pick(['LOCAL_BANK_TRANSFER', 'CHARITY']),
    purpose: random.letters(8),
    reference: random.chance(0.5) ? null : random.letters(6),
    frequencyType: random.pick(['OTHER', 'MONTHLY', 'YEARLY']),
    interval: random.pick(['IntervalDay:5', 'EveryWorkingDay', null]),
    numberOfPayments: random.chance(0.2) ? null : random.integer(1, 42),
    firstAt: later(at, -400),
    lastAt: later(at, -30),
    nextAt: over ? null : later(at, 2),
    finalAt: random.chance(0.3) ? null : later(at, 300),
    amount: amountOf(random, position),
    currency,
    creditor: creditor(random, position),
  };
}

function scheduledPayment(
  { random, currency, at }: OrdersOptions,
  position: number,
): SimulatedScheduledPayment {
  return {
    id: idOrNone(position, random.uuid()),
    type: random.pick(['ARRIVAL', 'EXECUTION', 'UNSUPPORTED']),
    at: `${later(at, random.integer(1, 60)).slice(0, 10)}T00:00:00Z`,
    debtorReference: random.letters(11),
    reference: random.chance(0.5) ? null : random.letters(6),
    amount: amountOf(random, position),
    currency,
    creditor: creditor(random, position),
  };
}

function several<T>(count: number, make: (position: number) => T): T[] {
  return Array.from({ length: count }, (_, position) => make(position));
}

/** The third of a list has none. */
function idOrNone(position: number, id: string): string | null {
  return position === 2 ? null : id;
}

/** An IBAN, a card's number called PAN, or nothing at all, as captured. */
function creditor(random: Random, position: number): SimulatedCreditor {
  const iban = `SA${random.digits(22)}`;
  return {
    account:
      position === 1
        ? null
        : {
            schemeName: position === 2 ? 'PAN' : 'IBAN',
            identification: iban,
            name: random.chance(0.3) ? null : random.pick(['Mallie Mock', 'Bobbi Mock', 'شركة المثال']),
          },
    agent: random.chance(0.1)
      ? null
      : { schemeName: 'BICFI', identification: random.pick(['KSAOB.SASABB', 'KSAOB.SAINMA']), name: null },
  };
}

function amountOf(random: Random, position: number): string {
  return (
    ['10.0', `${random.integer(1, 900)}.${random.digits(2)}`, `${random.digits(14)}.${random.digits(3)}`][
      position % 3
    ] ?? '0'
  );
}

function later(instant: string, days: number): string {
  return new Date(Date.parse(instant) + days * dayMs).toISOString();
}
