// The v1 dialect's accounts, balance and transactions, read as if v2 had written them, so that everything behind the
// client knows one shape. Each item's own v1 text stays its raw text.
import { z } from 'zod';
import { isJsonObject, LosslessNumber } from '../core/lossless-json.ts';
import { absolute, isNegative, parseDecimal } from '../core/money.ts';
import { wireAccountSchema } from './wire-account.ts';
import { wireBalanceSchema } from './wire-balance.ts';
import { wireTransactionSchema } from './wire-transaction.ts';

type Members = Readonly<Record<string, unknown>>;

/** What is no object is left as it is, for the v2 schema to refuse. */
function translated<Schema extends z.ZodType>(toV2: (members: Members) => Members, schema: Schema) {
  return z
    .unknown()
    .transform((value) => (isJsonObject(value) ? toV2(value) : value))
    .pipe(schema);
}

/** `type` is CURRENT, SAVINGS, CREDIT or the bank's own word; v1 does not tell people's accounts from businesses'. */
export const wireAccountV1Schema = translated(
  (account) => ({
    account_id: account['account_id'],
    currency: account['currency_code'],
    account_sub_type: account['type'],
    nickname: account['name'],
    account: [
      { scheme_name: 'IBAN', identification: account['iban'] },
      { scheme_name: 'ACCOUNT_NUMBER', identification: account['account_number'] },
    ].filter(({ identification }) => typeof identification === 'string' && identification.trim() !== ''),
  }),
  wireAccountSchema,
);

/** v1's own word, and the only one it has: which of an account's balances it is remains open. */
const balanceTypeV1 = 'balance';

/** One number and no time: the reply's own time is the balance's. */
export const wireBalanceV1Schema = translated(
  (balance) => ({
    account_id: balance['account_id'],
    type: balanceTypeV1,
    ...unsigned(balance['balance'], balance['currency_code']),
  }),
  wireBalanceSchema,
);

/**
 * `zone` is the bank's: where a bank gives only a day, v1 writes its local midnight in UTC
 * (docs.leantech.me/docs/getting-started-with-data).
 */
export function wireTransactionV1Schema(zone: string) {
  return translated(
    (transaction) => ({
      transaction_id: transaction['id'],
      account_id: transaction['account_id'],
      transaction_information: transaction['description'],
      transaction_reference: transaction['transaction_reference'],
      ...unsigned(transaction['amount'], transaction['currency_code']),
      booking_date_time: transaction['timestamp'] ?? transaction['transaction_timestamp'],
      value_date_time: transaction['value_timestamp'],
      local_time_zone: zone,
      status: statusOf(transaction['pending']),
      insights: transaction['insights'],
    }),
    wireTransactionSchema,
  );
}

/** Where the deployment's banks are; neither country changes its clocks. */
export const zoneOfRegion = { ae: 'Asia/Dubai', sa: 'Asia/Riyadh' } as const;

/** v1 signs its amounts: credit is positive. Zero counts as credit, as in v2. */
function unsigned(amount: unknown, currency: unknown): Members {
  const source = amount instanceof LosslessNumber ? amount.source : amount;
  const decimal = typeof source === 'string' ? parseDecimal(source) : null;
  if (decimal === null) return { amount: { amount, currency } };
  return {
    amount: { amount: absolute(decimal), currency },
    credit_debit_indicator: isNegative(decimal) ? 'DEBIT' : 'CREDIT',
  };
}

function statusOf(pending: unknown): string | null {
  if (typeof pending !== 'boolean') return null;
  return pending ? 'PENDING' : 'BOOKED';
}
