// Consents, put together from entities, lists and events in whatever order they come. Tells once, and only of the
// consent as it stands, that it is about to expire.
import { sql } from 'kysely';
import type { CanonicalConsent } from '../core/canonical-access.ts';
import { normalizerVersion } from '../core/canonical.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { rawRecord, seal } from '../sealing/seal.ts';
import type { Database, Executor } from './database.ts';
import type { FactOrder } from './entity-store.ts';
import { applyReport, type FactTable, type ReportedRow } from './fact-rows.ts';
import type { StoredCounts } from './stored-counts.ts';

export interface UpsertConsents {
  /** Of the entity that lists them; a consent that names one itself is that one's. */
  readonly entityId: string | null;
  readonly customerId: string | null;
  readonly consents: readonly CanonicalConsent[];
  /** When Lean said so: the event's time, or the reply's. */
  readonly order: FactOrder;
  /** `event`: says little, so that its text does not take the place of a whole item's. */
  readonly source: 'item' | 'event';
  readonly keyRing: KeyRing | null;
}

export const consentTable: FactTable = {
  name: 'consents',
  key: 'consent_id',
  registers: [
    { entity_id: 'text' },
    { customer_id: 'text' },
    { bank_consent_id: 'text' },
    { bank_identifier: 'text' },
    { consent_type: 'text' },
    { status: 'text', standard_status: 'text' },
    { status_updated_at: 'timestamptz' },
    { created_at_bank: 'timestamptz' },
    { expires_at: 'timestamptz' },
    { transactions_from: 'timestamptz' },
    { transactions_to: 'timestamptz' },
    { permissions: 'text[]' },
    { raw: 'bytea', normalizer_version: 'integer', warnings: 'text[]' },
  ],
  silent: ['raw', 'expiry_told_for', 'expiry_told_days'],
};

export async function upsertConsents(
  database: Database,
  transaction: Executor,
  { consents, order, ...facts }: UpsertConsents,
): Promise<StoredCounts> {
  const rows = consents.map((consent) => consentRow(consent, facts));
  return applyReport(database, transaction, { table: consentTable, order, rows });
}

type RowFacts = Omit<UpsertConsents, 'consents' | 'order'>;

export function consentRow(
  consent: CanonicalConsent,
  { entityId, customerId, source, keyRing }: RowFacts,
): ReportedRow {
  const { consentId } = consent;
  const whole = source === 'item' ? consent : null;
  const statusNs = consent.statusUpdatedAt?.ns ?? null;
  return {
    key: consentId,
    fields: {
      entity_id: consent.entityId ?? entityId,
      customer_id: consent.customerId ?? customerId,
      bank_consent_id: consent.bankConsentId,
      bank_identifier: consent.bankIdentifier,
      consent_type: consent.consentType,
      status: consent.status,
      standard_status: consent.standardStatus,
      status_updated_at: consent.statusUpdatedAt?.at ?? null,
      created_at_bank: consent.createdAtBank?.at ?? null,
      expires_at: consent.expiresAt?.at ?? null,
      transactions_from: consent.transactionsFrom?.at ?? null,
      transactions_to: consent.transactionsTo?.at ?? null,
      permissions: consent.permissions,
      raw: whole && seal(keyRing, rawRecord('consents', [consentId]), Buffer.from(whole.raw)),
      normalizer_version: whole && normalizerVersion,
      warnings: whole && whole.warnings,
    },
    // Lists know fewer words than events: the word of the later status holds, whoever says it last.
    ownNs: { status: statusNs, status_updated_at: statusNs },
  };
}

export interface KnownConsent {
  readonly status: string | null;
  readonly statusUpdatedAt: Date | null;
  readonly expiresAt: Date | null;
  /** Known from its own item, and not from an event alone. */
  readonly isWhole: boolean;
}

/** By id. */
export async function readKnownConsents(
  executor: Executor,
  consentIds: readonly string[],
): Promise<ReadonlyMap<string, KnownConsent>> {
  if (consentIds.length === 0) return new Map();
  const rows = await executor
    .selectFrom('consents')
    .select(['consent_id as consentId', 'status', 'status_updated_at as statusUpdatedAt'])
    .select(['expires_at as expiresAt', sql<boolean>`raw is not null`.as('isWhole')])
    .where('consent_id', 'in', consentIds)
    .execute();
  return new Map(rows.map(({ consentId, ...known }) => [consentId, known]));
}

/** Days ahead of the end of a consent at which the application is told, the earliest first. */
const expiryNoticeDays = [30, 7, 1] as const;

export interface ExpiryNotice {
  readonly consentId: string;
  readonly entityId: string | null;
  readonly customerId: string | null;
  readonly expiresAt: Date;
  /** One of `expiryNoticeDays`: no more than so many are left. */
  readonly days: number;
}

/**
 * Takes notices that are due, by the database's clock, and remembers that they are told: the caller tells in the same
 * transaction. When several were missed only the most urgent is told. A consent that is prolonged is told of anew.
 */
export async function takeExpiryNotices(
  database: Database,
  transaction: Executor,
  { limit }: { readonly limit: number },
): Promise<ExpiryNotice[]> {
  const consents = database.table('consents');
  const [most] = expiryNoticeDays;
  const stages = expiryNoticeDays
    .toReversed()
    .map((days) => sql`when expires_at <= now() + make_interval(days => ${days}) then ${days}::integer`);
  const { rows } = await sql<ExpiryNotice>`
    with due as (
      select consent_id, stage.days
      from ${consents} as consent
      cross join lateral (select case ${sql.join(stages, sql` `)} end as days) as stage
      where expires_at is not null and status in ('ACTIVE', 'AUTHORISED')
        and expires_at > now() and expires_at <= now() + make_interval(days => ${most})
        and (expiry_told_for is distinct from expires_at or expiry_told_days > stage.days)
        and not exists (
          select from ${database.table('entities')} as entity
          where entity.entity_id = consent.entity_id and entity.state = 'ended'
        )
      order by expires_at, consent_id limit ${limit} for update of consent skip locked
    )
    update ${consents} as consent
    set expiry_told_for = consent.expires_at, expiry_told_days = due.days, updated_at = now()
    from due where consent.consent_id = due.consent_id
    returning consent.consent_id as "consentId", consent.entity_id as "entityId",
      coalesce(consent.customer_id, (
        select entity.customer_id from ${database.table('entities')} as entity
        where entity.entity_id = consent.entity_id
      )) as "customerId", consent.expires_at as "expiresAt", due.days
  `.execute(transaction);
  return rows.toSorted((left, right) => left.expiresAt.getTime() - right.expiresAt.getTime());
}

export interface ConsentOwner {
  readonly entityId: string | null;
  readonly customerId: string | null;
  /** We have the entity. */
  readonly hasEntity: boolean;
  /** The consent, its entity or its customer is one of ours. */
  readonly isKnown: boolean;
}

/** Whose consent it is, from what it says and from what is known. */
export async function findConsentOwner(
  executor: Executor,
  consent: Pick<CanonicalConsent, 'consentId' | 'entityId' | 'customerId'>,
): Promise<ConsentOwner> {
  const known = await executor
    .selectFrom('consents')
    .select(['entity_id', 'customer_id'])
    .where('consent_id', '=', consent.consentId)
    .executeTakeFirst();
  const entityId = consent.entityId ?? known?.entity_id ?? null;
  const named = await executor
    .selectFrom('entities')
    .select(['entity_id', 'customer_id'])
    .where((build) =>
      build.or([
        build('entity_id', '=', entityId ?? ''),
        build('customer_id', '=', consent.customerId ?? known?.customer_id ?? ''),
      ]),
    )
    .orderBy(sql<boolean>`entity_id = ${entityId ?? ''}`, 'desc')
    .limit(1)
    .executeTakeFirst();
  const hasEntity = named !== undefined && named.entity_id === entityId;
  return {
    entityId,
    customerId: consent.customerId ?? known?.customer_id ?? (hasEntity ? named.customer_id : null),
    hasEntity,
    isKnown: known !== undefined || named !== undefined,
  };
}
