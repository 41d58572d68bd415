// The customers the simulator plays: for one seed always the same entities, accounts, balances and transactions,
// in the forms of the two regions. All people and numbers are invented. Amounts are decimal text, never numbers.
import { createRandom, type Random } from './random.ts';
import { addTransactions, generateTransactions, type SimulatedTransaction } from './transactions.ts';

export type Region = 'ae' | 'sa';
export type Indicator = 'CREDIT' | 'DEBIT' | 'UNSUPPORTED';

export interface SimulatedBalance {
  type: string;
  currency: string;
  /** Unsigned, exactly as it is written into the reply. */
  amount: string;
  creditDebitIndicator: Indicator;
  /** ISO 8601 UTC, or null where the bank gives none. */
  dateTime: string | null;
  creditLines: { included: boolean; type: string; amount: string; currency: string }[];
}

export interface SimulatedAccount {
  accountId: string;
  currency: string;
  subType: 'CURRENT' | 'SAVINGS' | 'CREDIT';
  nickname: string | null;
  holderName: string;
  iban: string;
  bban: string;
  maskedPan: string | null;
  openingDate: string;
  servicer: { schemeName: string; identification: string };
  balances: SimulatedBalance[];
  /** In the order of the list Lean serves: ascending booking date, undated ones last. */
  transactions: SimulatedTransaction[];
}

export interface SimulatedRefresh {
  refreshId: string;
  status: 'PENDING' | 'FINISHED';
  createdAt: string;
  updatedAt: string;
}

export interface SimulatedBank {
  identifier: string;
  name: string;
  logo: string;
  mainColor: string;
  backgroundColor: string;
  swiftCode: string | null;
  bankType: string;
  accountType: string;
  countryCode: string;
}

export interface SimulatedEntity {
  entityId: string;
  customerId: string;
  appUserId: string;
  region: Region;
  bank: SimulatedBank;
  /** What the customer allows now; empty after a full revocation. */
  permissions: string[];
  createdAt: string;
  consentId: string;
  /** When Lean last pulled from the bank. */
  refreshedAt: string;
  /** Newest first, as Lean lists them. */
  refreshes: SimulatedRefresh[];
  accounts: SimulatedAccount[];
}

export interface SimulatedCustomers {
  readonly seed: string;
  readonly entities: SimulatedEntity[];
}

export const permissionsOf: Readonly<Record<Region, readonly string[]>> = {
  ae: ['identity', 'accounts', 'balance', 'transactions'],
  sa: [
    'transactions',
    'balance',
    'identity',
    'identities',
    'accounts',
    'standing_orders',
    'direct_debits',
    'scheduled_payments',
    'beneficiaries',
  ],
};

const banks: Readonly<Record<Region, readonly SimulatedBank[]>> = {
  ae: [
    bank({ identifier: 'LEAN_OF_RETAIL_UAE', name: 'Lean Open Finance MockBank', countryCode: 'ARE' }),
    bank({ identifier: 'LEANMB1_UAE', name: 'Lean Mockbank 1', countryCode: 'ARE', swiftCode: 'MOCKAE01' }),
  ],
  sa: [
    bank({ identifier: 'LEA1_SAMAOB_SAU', name: 'Mockbank 1', countryCode: 'SAU', swiftCode: 'MOCKSA01' }),
    bank({ identifier: 'LEA2_SAMAOB_SAU', name: 'Mockbank 2', countryCode: 'SAU', swiftCode: 'MOCKSA02' }),
  ],
};

/** Every bank the simulator knows, for `GET /banks/v1`. */
export const simulatedBanks: readonly SimulatedBank[] = [...banks.ae, ...banks.sa];

export interface CustomersOptions {
  seed: string;
  /** How many entities, one per customer. */
  entities: number;
  /** Per entity; default 3. */
  accounts?: number;
  /** Per account; default 120, which is two pages of 100. */
  transactions?: number;
  /** Default: the two regions in turn. */
  region?: Region;
  /** The instant the data are of, ISO 8601 UTC with milliseconds; fixed by default, so that bytes repeat. */
  at?: string;
}

/** Makes the customers of one seed. Equal options give equal data; entity n does not depend on how many follow. */
export function generateCustomers(options: CustomersOptions): SimulatedCustomers {
  const { seed, accounts = 3, transactions = 120, at = '2026-05-13T19:39:18.748Z' } = options;
  const entities = Array.from({ length: options.entities }, (_, position): SimulatedEntity => {
    const region = options.region ?? (position % 2 === 0 ? 'ae' : 'sa');
    return generateEntity({ label: `${seed}/${position}`, region, accounts, transactions, at });
  });
  return { seed, entities };
}

interface EntityOptions {
  label: string;
  region: Region;
  accounts: number;
  transactions: number;
  at: string;
}

function generateEntity({ label, region, accounts, transactions, at }: EntityOptions): SimulatedEntity {
  const random = createRandom(label);
  const holderName = `${random.pick(firstNames)} ${random.pick(lastNames)}`;
  const entityBank = random.pick(banks[region]);
  const createdAt = new Date(Date.parse(at) - 3000).toISOString();
  return {
    entityId: random.uuid(),
    customerId: random.uuid(),
    appUserId: `user_${random.digits(12)}`,
    region,
    bank: entityBank,
    permissions: [...permissionsOf[region]],
    createdAt,
    consentId: random.uuid(),
    refreshedAt: at,
    refreshes: [{ refreshId: random.uuid(), status: 'FINISHED', createdAt, updatedAt: at }],
    accounts: Array.from({ length: accounts }, (_, position) =>
      generateAccount({
        random: createRandom(`${label}/account/${position}`),
        region,
        holderName,
        position,
        transactions,
        at,
      }),
    ),
  };
}

interface AccountOptions {
  random: Random;
  region: Region;
  holderName: string;
  position: number;
  transactions: number;
  at: string;
}

function generateAccount(options: AccountOptions): SimulatedAccount {
  const { random, region, holderName, position, transactions, at } = options;
  const subTypes = ['CURRENT', 'SAVINGS', 'CREDIT'] as const;
  const subType = subTypes[position % subTypes.length] ?? 'CURRENT';
  const currency = position % 4 === 3 ? random.pick(['USD', 'KWD']) : region === 'ae' ? 'AED' : 'SAR';
  const bban = region === 'ae' ? random.digits(19) : random.digits(2) + random.letters(18).toUpperCase();
  return {
    accountId: random.uuid(),
    currency,
    subType,
    nickname: position % 5 === 4 ? null : `${subType} Account`,
    holderName,
    iban: ibanOf(region === 'ae' ? 'AE' : 'SA', bban),
    bban,
    maskedPan: subType === 'CREDIT' && region === 'sa' ? `************${random.digits(4)}` : null,
    openingDate: `20${random.integer(10, 25)}-0${random.integer(1, 9)}-${random.integer(10, 28)}`,
    servicer: {
      schemeName: 'BICFI',
      identification: region === 'ae' ? 'Lean Mockbank' : 'KSAOB.SALEAN',
    },
    balances: generateBalances({ random, currency, at }),
    transactions: generateTransactions({ random, region, currency, count: transactions, at }),
  };
}

function generateBalances(options: { random: Random; currency: string; at: string }): SimulatedBalance[] {
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

/**
 * What a refresh at the bank does: each account gets `count` new booked transactions, its first pending one is booked,
 * the balances are read anew, `refreshedAt` becomes `at`. Equal calls in equal order give equal data.
 */
export function refreshEntity(
  entity: SimulatedEntity,
  { at, count = 3 }: { at: string; count?: number },
): void {
  entity.refreshedAt = at;
  for (const account of entity.accounts) {
    const random = createRandom(`${account.accountId}/${account.transactions.length}`);
    account.balances = generateBalances({ random, currency: account.currency, at });
    addTransactions(account.transactions, {
      random,
      region: entity.region,
      currency: account.currency,
      count,
      at,
    });
  }
}

/** Finds an entity, or undefined. */
export function findEntity(customers: SimulatedCustomers, entityId: string): SimulatedEntity | undefined {
  return customers.entities.find((entity) => entity.entityId === entityId);
}

/** ISO 13616: the two check digits make the rearranged number leave 1 when divided by 97. */
function ibanOf(country: string, bban: string): string {
  const digits = `${bban}${country}00`.replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));
  const check = 98n - (BigInt(digits) % 97n);
  return `${country}${String(check).padStart(2, '0')}${bban}`;
}

function bank(facts: {
  identifier: string;
  name: string;
  countryCode: string;
  swiftCode?: string;
}): SimulatedBank {
  return {
    ...facts,
    logo: 'https://cdn.leantech.me/img/banks/white-lean.png',
    mainColor: '#1beb75',
    backgroundColor: '#ffffff',
    swiftCode: facts.swiftCode ?? null,
    bankType: 'RETAIL',
    accountType: 'PERSONAL',
  };
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
const firstNames = ['Amal', 'Basil', 'Dana', 'Faris', 'Huda', 'Jamil', 'Layla', 'Nadir', 'Rana', 'Sami'];
const lastNames = ['Testwell', 'Sandbox', 'Mockman', 'Exampleton', 'Placeholder', 'Demoson'];
