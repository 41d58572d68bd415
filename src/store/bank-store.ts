// Banks: what Lean says of their availability, newest word first, and our own pauses after calls that failed for the
// bank's sake. A bank that nobody has spoken of is available.
import { sql, type RawBuilder } from 'kysely';
import type { CanonicalBank } from '../core/canonical-access.ts';
import { normalizerVersion } from '../core/canonical.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Database, Executor } from './database.ts';
import type { FactOrder } from './entity-store.ts';
import { applyReport, type FactTable, type ReportedRow } from './fact-rows.ts';
import type { StoredCounts } from './stored-counts.ts';

export interface UpsertBanks {
  readonly banks: readonly CanonicalBank[];
  /** When Lean said so: the event's time, or the reply's. */
  readonly order: FactOrder;
  /** `event`: says the availability alone, so that its text does not take the place of a whole item's. */
  readonly source: 'item' | 'event';
  readonly keyRing: KeyRing | null;
}

export const bankTable: FactTable = {
  name: 'banks',
  key: 'bank_identifier',
  registers: [
    { name: 'text' },
    { arabic_name: 'text' },
    { bank_type: 'text' },
    { account_type: 'text' },
    { country: 'text' },
    { bic: 'text' },
    { is_mock: 'boolean' },
    { active_data: 'boolean' },
    { enabled_data: 'boolean' },
    { active_payments: 'boolean' },
    { enabled_payments: 'boolean' },
    { raw: 'bytea', normalizer_version: 'integer', warnings: 'text[]' },
  ],
  silent: ['raw', 'paused_until', 'pause_reason', 'pauses_in_a_row'],
};

/** Compare `readBankAvailability` before and after in one transaction to learn whether a bank went or came back. */
export async function upsertBanks(
  database: Database,
  transaction: Executor,
  { banks, order, ...facts }: UpsertBanks,
): Promise<StoredCounts> {
  return applyReport(database, transaction, {
    table: bankTable,
    order,
    rows: banks.map((bank) => bankRow(bank, facts)),
  });
}

export function bankRow(
  bank: CanonicalBank,
  { source, keyRing }: Pick<UpsertBanks, 'source' | 'keyRing'>,
): ReportedRow {
  const { bankIdentifier } = bank;
  const whole = source === 'item' ? bank : null;
  return {
    key: bankIdentifier,
    fields: {
      name: bank.name,
      arabic_name: bank.arabicName,
      bank_type: bank.bankType,
      account_type: bank.accountType,
      country: bank.country,
      bic: bank.bic,
      is_mock: bank.isMock,
      active_data: bank.activeData,
      enabled_data: bank.enabledData,
      active_payments: bank.activePayments,
      enabled_payments: bank.enabledPayments,
      raw: whole && seal(keyRing, rawRecord('banks', [bankIdentifier]), Buffer.from(whole.raw)),
      normalizer_version: whole && normalizerVersion,
      warnings: whole && whole.warnings,
    },
  };
}

export interface BankAvailability {
  /** Lean serves its data; unless a pause is on, it may be asked for. */
  readonly isAvailable: boolean;
  /** Our own pause, while it lasts; null otherwise. */
  readonly pausedUntil: Date | null;
  readonly pauseReason: string | null;
}

const always: BankAvailability = { isAvailable: true, pausedUntil: null, pauseReason: null };
const isAvailable = sql<boolean>`(active_data is not false and enabled_data is not false)`;
const isPaused = sql<boolean>`(paused_until is not null and paused_until > now())`;

/** By the database's clock. */
export async function readBankAvailability(
  executor: Executor,
  bankIdentifier: string,
): Promise<BankAvailability> {
  const row = await executor
    .selectFrom('banks')
    .where('bank_identifier', '=', bankIdentifier)
    .select(isAvailable.as('isAvailable'))
    .select(sql<Date | null>`case when ${isPaused} then paused_until end`.as('pausedUntil'))
    .select(sql<string | null>`case when ${isPaused} then pause_reason end`.as('pauseReason'))
    .executeTakeFirst();
  return row ?? always;
}

/** Of a condition on `banks`: Lean may be asked for this bank's data now. For queries that join `banks` as `bank`. */
export const bankMayBeAsked: RawBuilder<boolean> = sql<boolean>`(
  bank.bank_identifier is null or (bank.active_data is not false and bank.enabled_data is not false
    and (bank.paused_until is null or bank.paused_until <= now()))
)`;

export interface UnavailableBank extends BankAvailability {
  readonly bankIdentifier: string;
}

/** Every bank that may not be asked right now, in order of their names. */
export async function readUnavailableBanks(executor: Executor): Promise<UnavailableBank[]> {
  return executor
    .selectFrom('banks')
    .where(sql<boolean>`(not ${isAvailable} or ${isPaused})`)
    .select('bank_identifier as bankIdentifier')
    .select(isAvailable.as('isAvailable'))
    .select(sql<Date | null>`case when ${isPaused} then paused_until end`.as('pausedUntil'))
    .select(sql<string | null>`case when ${isPaused} then pause_reason end`.as('pauseReason'))
    .orderBy('bank_identifier')
    .execute();
}

/** Of those that have a name. */
export async function readBankNames(
  executor: Executor,
  bankIdentifiers: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (bankIdentifiers.length === 0) return new Map();
  const rows = await executor
    .selectFrom('banks')
    .select(['bank_identifier', 'name'])
    .where('bank_identifier', 'in', bankIdentifiers)
    .execute();
  return new Map(rows.flatMap((row) => (row.name === null ? [] : [[row.bank_identifier, row.name]])));
}

export interface PauseBank {
  readonly bankIdentifier: string;
  /** From now, by the database's clock; a pause that lasts longer already stays. */
  readonly forMs: number;
  /** A failure code. */
  readonly reason: string;
}

export interface PausedBank {
  readonly pausedUntil: Date;
  /** 1 for the first since the bank last answered. */
  readonly pausesInARow: number;
  /** False where one was on already: nothing new to tell. */
  readonly isNew: boolean;
}

export async function pauseBank(
  database: Database,
  executor: Executor,
  { bankIdentifier, forMs, reason }: PauseBank,
): Promise<PausedBank> {
  const until = sql`now() + make_interval(secs => ${forMs / 1000})`;
  const { rows } = await sql<PausedBank>`
    with former as (
      select ${isPaused} as paused from ${database.table('banks')} where bank_identifier = ${bankIdentifier} for update
    )
    insert into ${database.table('banks')} as bank (bank_identifier, paused_until, pause_reason, pauses_in_a_row)
    values (${bankIdentifier}, ${until}, ${reason}, 1)
    on conflict (bank_identifier) do update set
      paused_until = greatest(bank.paused_until, excluded.paused_until),
      pause_reason = excluded.pause_reason,
      pauses_in_a_row = bank.pauses_in_a_row + case when (select paused from former) then 0 else 1 end,
      updated_at = now()
    returning paused_until as "pausedUntil", pauses_in_a_row as "pausesInARow",
      not coalesce((select paused from former), false) as "isNew"
  `.execute(executor);
  const paused = rows[0];
  if (paused === undefined) throw new Error('an upsert of a bank gave no row');
  return paused;
}

const hasPauses = sql<boolean>`(paused_until is not null or pauses_in_a_row > 0)`;

/** Whether `resumeBank` would find anything to end. */
export async function hasRested(executor: Executor, bankIdentifier: string): Promise<boolean> {
  const row = await executor
    .selectFrom('banks')
    .select('bank_identifier')
    .where('bank_identifier', '=', bankIdentifier)
    .where(hasPauses)
    .executeTakeFirst();
  return row !== undefined;
}

/** The bank has answered, or Lean says that it is back. True when a pause was on, or had been until now. */
export async function resumeBank(executor: Executor, bankIdentifier: string): Promise<boolean> {
  const { numUpdatedRows } = await executor
    .updateTable('banks')
    .set({ paused_until: null, pause_reason: null, pauses_in_a_row: 0, updated_at: sql`now()` })
    .where('bank_identifier', '=', bankIdentifier)
    .where(hasPauses)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
