// The customers the simulator plays: for one seed always the same entities, accounts, balances and transactions,
// in the forms of the two regions. All people and numbers are invented. Amounts are decimal text, never numbers.
import { pickBank, type SimulatedBank } from './banks.ts';
import { generateBalances } from './balances.ts';
import { createConsent, type SimulatedConsent } from './consents.ts';
import { generateOrders, refreshOrders, type SimulatedOrders } from './orders.ts';
import {
  generateAccountIdentities,
  generateIdentity,
  refreshIdentity,
  type SimulatedIdentity,
} from './people.ts';
import { createRandom } from './random.ts';
import { dataKinds, refreshedAtOf, wasRead, type DataKind } from './refresh-words.ts';
import { addTransactions, generateTransactions, type SimulatedTransaction } from './transactions.ts';

export { simulatedBanks, type SimulatedBank } from './banks.ts';

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
  /** Who holds or may act on the account. */
  identities: SimulatedIdentity[];
  orders: SimulatedOrders;
}

export interface SimulatedRefresh {
  refreshId: string;
  status: 'PENDING' | 'FINISHED';
  /** Kinds that ended in another word than the rest: FAILED, UNSUPPORTED. */
  dataStatus?: Partial<Record<DataKind, string>>;
  createdAt: string;
  updatedAt: string;
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
  /** Newest first; at most that one is active. */
  consents: SimulatedConsent[];
  /** As the list of entities by date says; anything but ACTIVE is unknown to every other endpoint. */
  status: 'ACTIVE' | 'DELETED' | 'DISABLED' | 'REMOVED';
  /** Set while the bank wants its user's password again: the id to reconnect with. */
  reconnectId: string | null;
  /** Who gave the consent. */
  identity: SimulatedIdentity;
  /** When Lean last pulled from the bank. */
  refreshedAt: string;
  /** Kinds whose last reading failed, with the instant of the one before. */
  keptFrom: Partial<Record<DataKind, string>>;
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
  const entityBank = pickBank(region, random);
  const createdAt = new Date(Date.parse(at) - 3000).toISOString();
  const permissions = [...permissionsOf[region]];
  return {
    entityId: random.uuid(),
    customerId: random.uuid(),
    appUserId: `user_${random.digits(12)}`,
    region,
    bank: entityBank,
    permissions,
    createdAt,
    consents: [createConsent({ consentId: random.uuid(), createdAt, permissions })],
    status: 'ACTIVE',
    reconnectId: null,
    identity: generateIdentity({
      random: createRandom(`${label}/identity`),
      region,
      fullName: holderName,
    }),
    refreshedAt: at,
    keptFrom: {},
    refreshes: [{ refreshId: random.uuid(), status: 'FINISHED', createdAt, updatedAt: at }],
    accounts: Array.from({ length: accounts }, (_, position) =>
      generateAccount({
        label: `${label}/account/${position}`,
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
  label: string;
  region: Region;
  holderName: string;
  position: number;
  transactions: number;
  at: string;
}

function generateAccount(options: AccountOptions): SimulatedAccount {
  const { label, region, holderName, position, transactions, at } = options;
  const random = createRandom(label);
  // Streams of their own, so that these do not change what the account's own stream gives.
  const people = createRandom(`${label}/people`);
  const arranged = createRandom(`${label}/orders`);
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
    identities: generateAccountIdentities({ random: people, region, fullName: holderName, position }),
    orders: generateOrders({ random: arranged, region, currency, at }),
  };
}

/**
 * What a refresh at the bank does: each account gets `count` new booked transactions, its first pending one is booked,
 * the balances are read anew, people and orders move on, `refreshedAt` becomes `at`. Kinds that `dataStatus` says were
 * not read stay as they were. Equal calls in equal order give equal data.
 */
export function refreshEntity(
  entity: SimulatedEntity,
  options: { at: string; count?: number; dataStatus?: SimulatedRefresh['dataStatus'] },
): void {
  const { at, count = 3, dataStatus } = options;
  const read = (kind: DataKind) => wasRead(kind, dataStatus);
  entity.keptFrom = Object.fromEntries(
    dataKinds.filter((kind) => !read(kind)).map((kind) => [kind, refreshedAtOf(entity, kind)]),
  );
  entity.refreshedAt = at;
  const { region } = entity;
  if (read('identity')) refreshIdentity(entity.identity, createRandom(`${entity.entityId}/${at}`));
  for (const account of entity.accounts) {
    const label = `${account.accountId}/${account.transactions.length}`;
    const random = createRandom(label);
    const { currency } = account;
    refreshOrders(account.orders, { random: createRandom(`${label}/orders`), region, currency, at, read });
    if (read('account_identity')) {
      for (const one of account.identities) refreshIdentity(one, createRandom(`${label}/${one.partyId}`));
    }
    if (read('balance')) account.balances = generateBalances({ random, currency, at });
    if (read('transactions')) {
      addTransactions(account.transactions, { random, region, currency, count, at });
    }
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

const firstNames = ['Amal', 'Basil', 'Dana', 'Faris', 'Huda', 'Jamil', 'Layla', 'Nadir', 'Rana', 'Sami'];
const lastNames = ['Testwell', 'Sandbox', 'Mockman', 'Exampleton', 'Placeholder', 'Demoson'];
