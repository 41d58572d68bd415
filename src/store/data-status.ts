// What a refresh said of each data type, account by account. Pure. Unknown words are kept and mean "not OK";
// what was not spoken of is unknown, which is not the same as refused.
import { z } from 'zod';
import type { StepKind } from './sync-priority.ts';

const word = z.string().optional().catch(undefined);

const accountStatusSchema = z.looseObject({
  account_id: z.string().min(1),
  balance: word,
  transactions: word,
  identity: word,
  beneficiaries: word,
  direct_debits: word,
  standing_orders: word,
  scheduled_payments: word,
  transaction_availability: z
    .looseObject({ start: z.iso.date() })
    .transform(({ start }) => ({ start }))
    .optional()
    .catch(undefined),
});

const dataStatusSchema = z.looseObject({
  identity: word,
  account_data: z.array(z.unknown()).catch([]),
});

/** Lean's names for what it has of an account; of the entity itself it speaks of `identity` alone. */
const statusNames = [
  'balance',
  'transactions',
  'identity',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const;
type StatusName = (typeof statusNames)[number];

interface AccountStatus extends Partial<Readonly<Record<StatusName, string | undefined>>> {
  /** First day Lean holds transactions of. */
  readonly availableFrom?: string | undefined;
}

/** By account id. */
export type DataStatus = ReadonlyMap<string, AccountStatus>;

/** Stands for the entity itself: no account has this id. */
const entityItself = '';

/** Reads `data_status` of a webhook, a reply or our own column; null when it is not one. */
export function readDataStatus(value: unknown): DataStatus | null {
  const parsed = dataStatusSchema.safeParse(value);
  if (!parsed.success) return null;
  const { identity, account_data: items } = parsed.data;
  const accounts = new Map<string, AccountStatus>();
  if (identity !== undefined) accounts.set(entityItself, { identity });
  for (const item of items) {
    const account = accountStatusSchema.safeParse(item);
    if (!account.success) continue;
    const { account_id, transaction_availability, ...words } = account.data;
    accounts.set(account_id, { ...pickWords(words), availableFrom: transaction_availability?.start });
  }
  return accounts;
}

function pickWords(words: Partial<Readonly<Record<StatusName, string | undefined>>>): AccountStatus {
  return Object.fromEntries(statusNames.map((name) => [name, words[name]] as const));
}

/** The column's JSON text, in Lean's own shape. */
export function writeDataStatus(status: DataStatus): string {
  const accounts = [...status].filter(([accountId]) => accountId !== entityItself);
  return JSON.stringify({
    identity: status.get(entityItself)?.identity,
    account_data: Array.from(accounts, ([account_id, { availableFrom, ...words }]) => ({
      account_id,
      ...words,
      transaction_availability: availableFrom === undefined ? undefined : { start: availableFrom },
    })),
  });
}

/**
 * One status out of two refreshes whose order is not certain: what is OK in either is asked for, since asking once
 * too often costs one call and asking too seldom costs data. Otherwise the later one counts. Lean's data is taken to
 * begin where both say that it has begun, and nowhere when one of them does not say: days before that are not judged.
 */
export function mergeDataStatus(former: DataStatus | null, latter: DataStatus | null): DataStatus | null {
  if (former === null && latter === null) return null;
  const accountIds = new Set([...(former?.keys() ?? []), ...(latter?.keys() ?? [])]);
  return new Map(
    Array.from(accountIds, (accountId) => {
      const [one, other] = [former?.get(accountId), latter?.get(accountId)];
      const words = statusNames.map((name) => [name, eitherOk(one?.[name], other?.[name])] as const);
      const availableFrom = bothHave(one?.availableFrom, other?.availableFrom);
      return [accountId, { ...Object.fromEntries(words), availableFrom }];
    }),
  );
}

function eitherOk(former: string | undefined, latter: string | undefined): string | undefined {
  return former === 'OK' ? former : (latter ?? former);
}

function bothHave(former: string | undefined, latter: string | undefined): string | undefined {
  if (former === undefined || latter === undefined) return undefined;
  return former > latter ? former : latter;
}

/** The steps that a refresh says something about: `identity` is the entity's, all others an account's. */
const statusNameOf = {
  balances: 'balance',
  transactions: 'transactions',
  identity: 'identity',
  account_identities: 'identity',
  beneficiaries: 'beneficiaries',
  direct_debits: 'direct_debits',
  standing_orders: 'standing_orders',
  scheduled_payments: 'scheduled_payments',
} as const satisfies Partial<Record<StepKind, StatusName>>;
export type ReportedData = keyof typeof statusNameOf;

/** Lean's word for one kind of data, of an account or, without one, of the entity; null when nothing was said. */
export function statusOf(
  status: DataStatus | null,
  accountId: string | null,
  data: ReportedData,
): string | null {
  return status?.get(accountId ?? entityItself)?.[statusNameOf[data]] ?? null;
}
