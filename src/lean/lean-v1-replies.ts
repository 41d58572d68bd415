// What the v1 dialect's replies hold under `payload`: whole lists without pages, one balance, one person. Null means
// "not there", as in v2.
import type { z } from 'zod';
import { sliceValue } from '../core/json-slices.ts';
import { isJsonObject } from '../core/lossless-json.ts';
import { wholeList, type ListPage } from './lean-lists.ts';
import type { ReplySource } from './lean-reply.ts';
import type { ResultsData } from './lean-results.ts';
import { describeIssues, readList } from './read-list.ts';
import type { WireAccount } from './wire-account.ts';
import type { WireBalance } from './wire-balance.ts';
import { wireIdentitySchema, type WireIdentity } from './wire-identity.ts';
import type { WireTransaction } from './wire-transaction.ts';
import { wireAccountV1Schema, wireBalanceV1Schema, type wireTransactionV1Schema } from './wire-v1.ts';

type TransactionSchema = ReturnType<typeof wireTransactionV1Schema>;

export function readAccountsV1(source: ReplySource): ListPage<WireAccount> | null {
  return listOf(source, 'accounts', wireAccountV1Schema);
}

/** Null where the payload names another account than the one asked for. */
export function readBalanceV1(source: ReplySource, accountId: string | null): ListPage<WireBalance> | null {
  const payload = payloadOf(source);
  if (payload?.['balance'] === undefined) return null;
  if (accountId !== null && (payload['account_id'] ?? accountId) !== accountId) return null;
  return only(source, wireBalanceV1Schema);
}

export function readTransactionsV1(
  source: ReplySource,
  schema: TransactionSchema,
): ListPage<WireTransaction> | null {
  return listOf(source, 'transactions', schema);
}

export function readIdentityV1(source: ReplySource): ListPage<WireIdentity> | null {
  const payload = payloadOf(source);
  const isPerson = payload !== null && identityMembers.some((name) => Object.hasOwn(payload, name));
  return isPerson ? only(source, wireIdentitySchema) : null;
}

/** What a request that was PENDING has come to; told apart by what the payload holds. */
export function readResultsV1(source: ReplySource, schema: TransactionSchema): ResultsData | null {
  const accounts = readAccountsV1(source);
  if (accounts) return { dataType: 'accounts', ...accounts };
  const transactions = readTransactionsV1(source, schema);
  if (transactions) return { dataType: 'transactions', ...transactions };
  const balance = readBalanceV1(source, null);
  if (balance) return { dataType: 'balances', ...balance };
  const identity = readIdentityV1(source);
  if (identity) return { dataType: 'identities', ...identity };
  return payloadOf(source) && { dataType: 'other', leanType: source.reply.type };
}

function payloadOf({ body }: ReplySource): Record<string, unknown> | null {
  const payload = isJsonObject(body) ? body['payload'] : null;
  return isJsonObject(payload) ? payload : null;
}

/** Any of them makes a payload a person; all are optional. */
const identityMembers = [
  'full_name',
  'national_identity_number',
  'email_address',
  'mobile_number',
  'birth_date',
];

function listOf<Schema extends z.ZodType>(
  { bodyText, body }: ReplySource,
  member: string,
  schema: Schema,
): ListPage<z.output<Schema>> | null {
  const list = readList({ bodyText, body, path: ['payload', member], schema });
  return list && wholeList(list);
}

/** The payload itself as a list of one. */
function only<Schema extends z.ZodType>(source: ReplySource, schema: Schema): ListPage<z.output<Schema>> {
  const raw = sliceValue(source.bodyText, ['payload']) ?? '';
  const parsed = schema.safeParse(payloadOf(source));
  return wholeList(
    parsed.success
      ? { items: [{ wire: parsed.data, raw }], unreadable: [] }
      : { items: [], unreadable: [{ raw, reason: describeIssues(parsed.error) }] },
  );
}
