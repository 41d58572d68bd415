// What a refresh said of each data type, account by account. Pure. Unknown words are kept and mean "not OK";
// what was not spoken of is unknown, which is not the same as refused.
import { z } from 'zod';

const accountStatusSchema = z.looseObject({
  account_id: z.string().min(1),
  balance: z.string().optional().catch(undefined),
  transactions: z.string().optional().catch(undefined),
  transaction_availability: z
    .looseObject({ start: z.iso.date() })
    .transform(({ start }) => ({ start }))
    .optional()
    .catch(undefined),
});

const dataStatusSchema = z.looseObject({
  account_data: z.array(z.unknown()).catch([]),
});

interface AccountStatus {
  readonly balance?: string | undefined;
  readonly transactions?: string | undefined;
  /** First day Lean holds transactions of. */
  readonly availableFrom?: string | undefined;
}

/** By account id. */
export type DataStatus = ReadonlyMap<string, AccountStatus>;

/** Reads `data_status` of a webhook, a reply or our own column; null when it is not one. */
export function readDataStatus(value: unknown): DataStatus | null {
  const parsed = dataStatusSchema.safeParse(value);
  if (!parsed.success) return null;
  const accounts = new Map<string, AccountStatus>();
  for (const item of parsed.data.account_data) {
    const account = accountStatusSchema.safeParse(item);
    if (!account.success) continue;
    const { account_id, balance, transactions, transaction_availability } = account.data;
    accounts.set(account_id, { balance, transactions, availableFrom: transaction_availability?.start });
  }
  return accounts;
}

/** The column's JSON text, in Lean's own shape. */
export function writeDataStatus(status: DataStatus): string {
  const accounts = Array.from(status, ([account_id, { balance, transactions, availableFrom }]) => ({
    account_id,
    balance,
    transactions,
    transaction_availability: availableFrom === undefined ? undefined : { start: availableFrom },
  }));
  return JSON.stringify({ account_data: accounts });
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
      const merged = {
        balance: eitherOk(one?.balance, other?.balance),
        transactions: eitherOk(one?.transactions, other?.transactions),
        availableFrom: bothHave(one?.availableFrom, other?.availableFrom),
      };
      return [accountId, merged];
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

export type AccountData = 'balances' | 'transactions';

/** What is known of one account's data type: Lean's word, or null when nothing was said. */
export function statusOf(status: DataStatus | null, accountId: string, data: AccountData): string | null {
  const account = status?.get(accountId);
  return (data === 'balances' ? account?.balance : account?.transactions) ?? null;
}
