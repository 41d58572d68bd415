// What today's normalizer makes of an item that was stored before, from Lean's own text of it: the columns of its row.
// Asks nobody, and never changes whose the row is or which one: its key stays.
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import type { CanonicalBalance } from '../core/canonical.ts';
import { readInstant } from '../core/local-date.ts';
import { isJsonObject, parseLossless } from '../core/lossless-json.ts';
import { normalizeAccounts } from '../lean/normalize-account.ts';
import { normalizeBalances } from '../lean/normalize-balance.ts';
import { normalizeBanks } from '../lean/normalize-bank.ts';
import { normalizeBeneficiaries } from '../lean/normalize-beneficiary.ts';
import { normalizeConsents } from '../lean/normalize-consent.ts';
import { normalizeDirectDebits } from '../lean/normalize-direct-debit.ts';
import { normalizeIdentities } from '../lean/normalize-identity.ts';
import { normalizeScheduledPayments } from '../lean/normalize-scheduled-payment.ts';
import { normalizeStandingOrders } from '../lean/normalize-standing-order.ts';
import { normalizeTransactions } from '../lean/normalize-transaction.ts';
import type { WireItem } from '../lean/read-list.ts';
import { wireAccountSchema } from '../lean/wire-account.ts';
import { wireBalanceSchema } from '../lean/wire-balance.ts';
import { wireBankSchema } from '../lean/wire-bank.ts';
import { wireConsentSchema } from '../lean/wire-consent.ts';
import { wireIdentitySchema } from '../lean/wire-identity.ts';
import {
  wireBeneficiarySchema,
  wireDirectDebitSchema,
  wireScheduledPaymentSchema,
  wireStandingOrderSchema,
} from '../lean/wire-orders.ts';
import { wireTransactionSchema } from '../lean/wire-transaction.ts';
import { wireAccountV1Schema, wireBalanceV1Schema, wireTransactionV1Schema } from '../lean/wire-v1.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { open, rawRecord } from '../sealing/seal.ts';
import { accountColumns } from '../store/account-store.ts';
import { balanceColumns } from '../store/balance-store.ts';
import { bankRow, bankTable } from '../store/bank-store.ts';
import { beneficiaryRow } from '../store/beneficiary-store.ts';
import { consentRow, consentTable } from '../store/consent-store.ts';
import { directDebitRow } from '../store/direct-debit-store.ts';
import { isOfSameReport } from '../store/entity-store.ts';
import type { FactTable, ReportedRow } from '../store/fact-rows.ts';
import { identityRow } from '../store/identity-store.ts';
import type { ListedRow } from '../store/listed-item-store.ts';
import type { StoredItem } from '../store/renormalize-read.ts';
import type { ReplayedColumns } from '../store/renormalize-store.ts';
import type { RenormalizedTable } from '../store/renormalized-tables.ts';
import { scheduledPaymentRow } from '../store/scheduled-payment-store.ts';
import { standingOrderRow } from '../store/standing-order-store.ts';
import { transactionColumns } from '../store/transaction-rows.ts';

export type Replayed =
  | { readonly kind: 'replayed'; readonly columns: ReplayedColumns }
  /** Sealed with a key that is not in the ring. */
  | { readonly kind: 'key_missing' }
  /** Does not open, or is no item any more. */
  | { readonly kind: 'unreadable' };

export interface ReplayRaw {
  readonly table: RenormalizedTable;
  readonly item: StoredItem;
  readonly keyRing: KeyRing | null;
  /** Where the banks' days are, for items of the v1 dialect. */
  readonly zone: string;
}

export function replayRaw({ table, item, keyRing, zone }: ReplayRaw): Replayed {
  try {
    const record = rawRecord(table, recordKey(item));
    const raw = Buffer.from(open(keyRing, record, item.raw)).toString();
    const columns = replayers[table]({ raw, value: parseLossless(raw), item, zone });
    if (columns === null) return { kind: 'unreadable' };
    return { kind: 'replayed', columns: withListWarnings(columns, item) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { kind: error.code === 'PAYLOAD_KEY_MISSING' ? 'key_missing' : 'unreadable' };
  }
}

/** As the stores seal it: a report's time in its own spelling. */
function recordKey({ key, reportedAt }: StoredItem): string[] {
  return reportedAt === null ? [...key] : [...key.slice(0, -1), reportedAt.toISOString()];
}

/** Said about an item because of its neighbours in a list, which are not here. */
const listWarnings = new Set(['ITEM_REPEATED']);

function withListWarnings(columns: ReplayedColumns, { warnings }: StoredItem): ReplayedColumns {
  const kept = warnings.filter((warning) => listWarnings.has(warning));
  return { ...columns, warnings: [...new Set([...columns.warnings, ...kept])].toSorted() };
}

interface Source extends Pick<ReplayRaw, 'item' | 'zone'> {
  readonly raw: string;
  /** `raw`, parsed. */
  readonly value: unknown;
}

/** Only v1 spells a currency so. */
function isOfV1({ value }: Source): boolean {
  return isJsonObject(value) && Object.hasOwn(value, 'currency_code');
}

const ofV1Accounts = ['currency_code', 'iban', 'account_number', 'name', 'type'];
const ofV2Accounts = ['account', 'currency', 'account_sub_type'];

/** Of these a bank may leave out the currency: v2's reading of the rest would lose its numbers and its name. */
function isAccountOfV1({ value }: Source): boolean {
  const hasAny = (names: readonly string[]) =>
    isJsonObject(value) && names.some((name) => Object.hasOwn(value, name));
  return hasAny(ofV1Accounts) && !hasAny(ofV2Accounts);
}

function readItem<Schema extends z.ZodType>(
  { raw, value }: Source,
  schema: Schema,
): WireItem<z.output<Schema>>[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [{ wire: parsed.data, raw }] : [];
}

type Replayer = (source: Source) => ReplayedColumns | null;

const replayers: Readonly<Record<RenormalizedTable, Replayer>> = {
  accounts: (source) =>
    first(
      normalizeAccounts(readItem(source, isAccountOfV1(source) ? wireAccountV1Schema : wireAccountSchema)),
      accountColumns,
    ),
  balances: (source) =>
    first(
      normalizeBalances(
        readItem(source, isOfV1(source) ? wireBalanceV1Schema : wireBalanceSchema),
        timesAround(source.item),
      ).records,
      (balance) => ofItsKey(balance, source.item),
    ),
  transactions: (source) =>
    first(
      normalizeTransactions(
        readItem(source, isOfV1(source) ? wireTransactionV1Schema(source.zone) : wireTransactionSchema),
      ),
      transactionColumns,
    ),
  identities: (source) =>
    first(normalizeIdentities(readItem(source, wireIdentitySchema)), (item) => listed(identityRow(item))),
  beneficiaries: (source) =>
    first(normalizeBeneficiaries(readItem(source, wireBeneficiarySchema)), (item) =>
      listed(beneficiaryRow(item)),
    ),
  direct_debits: (source) =>
    first(normalizeDirectDebits(readItem(source, wireDirectDebitSchema)), (item) =>
      listed(directDebitRow(item)),
    ),
  standing_orders: (source) =>
    first(normalizeStandingOrders(readItem(source, wireStandingOrderSchema)), (item) =>
      listed(standingOrderRow(item)),
    ),
  scheduled_payments: (source) =>
    first(normalizeScheduledPayments(readItem(source, wireScheduledPaymentSchema)), (item) =>
      listed(scheduledPaymentRow(item)),
    ),
  consents: (source) =>
    first(normalizeConsents(readItem(source, wireConsentSchema)), (consent) =>
      ofItsReport(consentTable, source.item, consentRow(consent, asItem)),
    ),
  banks: (source) =>
    first(normalizeBanks(readItem(source, wireBankSchema)), (bank) =>
      ofItsReport(bankTable, source.item, bankRow(bank, asItem)),
    ),
};

const asItem = { entityId: null, customerId: null, source: 'item', keyRing: null } as const;

/** Whose a row is follows from more than its text; the text itself stays. */
const neverReplayed = new Set(['entity_id', 'customer_id', 'raw']);

/** Fields that another report has given since, or gave for want of a value here, keep what that one said. */
function ofItsReport(
  { registers }: FactTable,
  { fieldOrders, stored }: StoredItem,
  { fields }: ReportedRow,
): ReplayedColumns {
  const orders = { ...fieldOrders };
  const own = orders['raw'];
  const columns: Record<string, unknown> = {};
  for (const names of registers.map((register) => Object.keys(register))) {
    const [lead = ''] = names;
    if (neverReplayed.has(lead)) continue;
    const isOwn = orders[lead] === undefined || isOfSameReport(orders[lead], own);
    for (const name of names) columns[name] = isOwn ? fields[name] : stored?.[name];
    if (isOwn && own !== undefined && fields[lead] !== null) orders[lead] ??= own;
    if (isOwn && fields[lead] === null) delete orders[lead];
  }
  const { warnings } = fields;
  const said = Array.isArray(warnings) ? warnings.map(String) : [];
  return { ...columns, field_orders: JSON.stringify(orders), warnings: said };
}

/** The row stays under its time; where a text is read as of another one, so does the word for where that came from. */
function ofItsKey(balance: CanonicalBalance, { reportedAt, reportedAtSource }: StoredItem): ReplayedColumns {
  const columns = balanceColumns(balance);
  const isOfItsTime = Date.parse(balance.reportedAt.at) === reportedAt?.getTime();
  return isOfItsTime ? columns : { ...columns, reported_at_source: reportedAtSource };
}

function first<Item>(
  items: readonly Item[],
  columnsOf: (item: Item) => ReplayedColumns,
): ReplayedColumns | null {
  const [item] = items;
  return item === undefined ? null : columnsOf(item);
}

function listed({ columns, contentHash, warnings }: ListedRow): ReplayedColumns {
  const own = Object.entries(columns).map(([name, [type, value]]) => {
    return [name, type === 'jsonb' && value !== null ? JSON.stringify(value) : value] as const;
  });
  return { ...Object.fromEntries(own), content_hash: contentHash, warnings };
}

/** The reply is gone; what was taken from it is the row's own time, under the name of where it came from. */
function timesAround({ reportedAt, reportedAtSource }: StoredItem) {
  const at = readInstant(reportedAt?.toISOString() ?? null);
  return {
    refreshedAt: reportedAtSource === 'refreshed_at' ? at : null,
    timestamp: reportedAtSource === 'timestamp' ? at : null,
    httpDate: reportedAtSource === 'http_date' ? at : null,
  };
}
