// Who was erased, as HMACs under a key of this database's own. Answers whether something belongs to one of them; an id
// in plain text is never kept here.
import { createHmac } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import type { Database, Executor } from './database.ts';

export type SubjectKind = 'customer' | 'entity' | 'results';

/** What an event names; null where it does not. */
export interface NamedSubjects {
  readonly customerId: string | null;
  readonly entityId: string | null;
  readonly resultsId: string | null;
}

/** What decides whether an event belongs to somebody who was erased. */
export interface ErasableEvent extends NamedSubjects {
  readonly type: string | null;
  /** Nanoseconds since 1970, UTC. */
  readonly occurredAtNs: bigint | null;
}

/** Makes the HMAC of one id; null where nobody was ever erased, so that there is nothing to compare with. */
export type Digest = (kind: SubjectKind, id: string) => string;

const nsPerMs = 1_000_000n;
/** Only this, dated after the erasure, says that the customer has connected anew. */
const connectingType = 'entity.created';

/** Until the transaction ends no erasure begins. Many may hold it; take it before reading `erasures`. */
export async function holdOffErasures(database: Database, transaction: Executor): Promise<void> {
  await sql`select ${erasuresHeldOff(database)}`.execute(transaction);
}

/** The same as a column, for a statement that asks for something else as well. */
export function erasuresHeldOff(database: Database): RawBuilder<unknown> {
  return sql`pg_advisory_xact_lock_shared(${lockNumber(database)})`;
}

/** Waits until every transaction that might not see a new erasure has ended, and lets none begin before this one ends. */
export async function beginErasure(database: Database, transaction: Executor): Promise<void> {
  await sql`select pg_advisory_xact_lock(${lockNumber(database)})`.execute(transaction);
}

function lockNumber(database: Database) {
  return sql`hashtextextended(${`lean-erasure:${database.schema}`}, 0)`;
}

/** Null where no key was made yet: `migrate` makes it together with the installation's row. */
export async function readDigest(executor: Executor): Promise<Digest | null> {
  const row = await executor.selectFrom('installation').select('erasure_key').executeTakeFirst();
  return row === undefined ? null : createDigest(row.erasure_key);
}

/** As readDigest, and null as well where nobody was ever erased. */
export async function readDigestInUse(executor: Executor): Promise<Digest | null> {
  const row = await executor
    .selectFrom('installation')
    .select('erasure_key')
    .where((build) => build.exists(build.selectFrom('erasures').select('kind')))
    .executeTakeFirst();
  return row === undefined ? null : createDigest(row.erasure_key);
}

function createDigest(key: Uint8Array): Digest {
  return (kind, id) => createHmac('sha256', key).update(`${kind}:${id}`).digest('hex');
}

interface Erasure {
  readonly hmac: string;
  readonly kind: SubjectKind;
  readonly erasedAtNs: bigint;
  /** Whether a connection made after the erasure was heard of. */
  isLifted: boolean;
}

/**
 * Which of the events belong to somebody erased, by their places. An `entity.created` among them that is dated after
 * the erasure lifts it, whatever the order in which they came; what is dated before stays erased for ever.
 * Where the answer decides what is stored for the first time, the caller has called holdOffErasures.
 */
export async function findErased(
  executor: Executor,
  { events, digest }: { readonly events: readonly ErasableEvent[]; readonly digest: Digest },
): Promise<ReadonlySet<number>> {
  const subjects = events.map((event) => digestsOf(event, digest));
  const erasures = await readErasures(executor, subjects.flat());
  if (erasures.size === 0) return new Set();
  const named = subjects.map((hmacs) => hmacs.flatMap((hmac) => erasures.get(hmac) ?? []));
  await lift(executor, connectedAnew(events, named));
  const isErased = (place: number, event: ErasableEvent) =>
    (named[place] ?? []).some((erasure) => covers(erasure, event));
  const learned = new Set<LearnedEntity>(
    events.flatMap((event, place) =>
      isErased(place, event) ? theirEntity({ event, named: named[place] ?? [], digest }) : [],
    ),
  );
  await rememberEntities(executor, learned);
  const hmacs = new Set([...learned].map(({ subject_hmac: hmac }) => hmac));
  return new Set(
    events.flatMap((event, place) =>
      isErased(place, event) || subjects[place]?.some((hmac) => hmacs.has(hmac)) === true ? [place] : [],
    ),
  );
}

/** Whether one of them names somebody who was ever erased; changes nothing. */
export async function isAnyErased(executor: Executor, events: readonly NamedSubjects[]): Promise<boolean> {
  const digest = await readDigestInUse(executor);
  if (digest === null) return false;
  const erasures = await readErasures(
    executor,
    events.flatMap((event) => digestsOf(event, digest)),
  );
  return erasures.size > 0;
}

function digestsOf({ customerId, entityId, resultsId }: NamedSubjects, digest: Digest): string[] {
  const named = [
    ['customer', customerId],
    ['entity', entityId],
    ['results', resultsId],
  ] as const;
  return named.flatMap(([kind, id]) => (id === null ? [] : [digest(kind, id)]));
}

async function readErasures(executor: Executor, hmacs: readonly string[]): Promise<Map<string, Erasure>> {
  if (hmacs.length === 0) return new Map();
  const rows = await executor
    .selectFrom('erasures')
    .select(['subject_hmac', 'kind', 'erased_at', 'lifted_at'])
    .where('subject_hmac', 'in', [...new Set(hmacs)])
    .execute();
  return new Map(
    rows.map((row) => [
      row.subject_hmac,
      {
        hmac: row.subject_hmac,
        kind: row.kind,
        erasedAtNs: BigInt(row.erased_at.getTime()) * nsPerMs,
        isLifted: row.lifted_at !== null,
      },
    ]),
  );
}

function connectedAnew(events: readonly ErasableEvent[], named: readonly Erasure[][]): Erasure[] {
  return events.flatMap(({ type, occurredAtNs }, place) => {
    const erasures = named[place] ?? [];
    if (type !== connectingType || occurredAtNs === null) return [];
    const isNewer = erasures.every(({ erasedAtNs }) => occurredAtNs > erasedAtNs);
    return isNewer ? erasures.filter(({ isLifted }) => !isLifted) : [];
  });
}

async function lift(executor: Executor, erasures: readonly Erasure[]): Promise<void> {
  if (erasures.length === 0) return;
  for (const erasure of erasures) erasure.isLifted = true;
  await executor
    .updateTable('erasures')
    .set({ lifted_at: sql<string>`coalesce(lifted_at, now())`, updated_at: sql`now()` })
    .where(
      'subject_hmac',
      'in',
      erasures.map(({ hmac }) => hmac),
    )
    .execute();
}

function covers({ isLifted, erasedAtNs }: Erasure, { occurredAtNs }: ErasableEvent): boolean {
  if (!isLifted) return true;
  // Undated, it may as well be of the new connection.
  return occurredAtNs !== null && occurredAtNs <= erasedAtNs;
}

interface LearnedEntity {
  readonly subject_hmac: string;
  readonly kind: 'entity';
  readonly erased_at: string;
}

interface NamingEvent {
  readonly event: ErasableEvent;
  readonly named: readonly Erasure[];
  readonly digest: Digest;
}

/** An entity that was never heard of while its customer was erased: other events may name the entity alone. */
function theirEntity({ event: { entityId }, named, digest }: NamingEvent): LearnedEntity[] {
  const customer = named.find(({ kind }) => kind === 'customer');
  if (entityId === null || customer === undefined) return [];
  const hmac = digest('entity', entityId);
  if (named.some((erasure) => erasure.hmac === hmac)) return [];
  const erasedAt = new Date(Number(customer.erasedAtNs / nsPerMs)).toISOString();
  return [{ subject_hmac: hmac, kind: 'entity', erased_at: erasedAt }];
}

async function rememberEntities(executor: Executor, entities: ReadonlySet<LearnedEntity>): Promise<void> {
  if (entities.size === 0) return;
  const rows = new Map([...entities].map((row) => [row.subject_hmac, row]));
  await executor
    .insertInto('erasures')
    .values([...rows.values()])
    .onConflict((conflict) => conflict.column('subject_hmac').doNothing())
    .execute();
}

/** Of a connection of somebody who was erased; not of one that turned out to be newer than that. */
export async function isEntityErased(executor: Executor, entityId: string): Promise<boolean> {
  const digest = await readDigestInUse(executor);
  if (digest === null) return false;
  const erasures = await readErasures(executor, [digest('entity', entityId)]);
  return erasures.values().some(({ isLifted }) => !isLifted);
}

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
  /** When a connection made after the erasure was first heard of, where that is known already. */
  readonly liftedAt?: Date | null;
}

/**
 * Part of the transaction that has called beginErasure. A later one moves the time forward and takes back a lift; the same
 * one again leaves both as they are.
 */
export async function recordErasures(
  executor: Executor,
  {
    subjects,
    digest,
    now,
  }: { readonly subjects: readonly Subject[]; readonly digest: Digest; readonly now: Date },
): Promise<void> {
  for (let from = 0; from < subjects.length; from += subjectsPerStatement) {
    const rows = subjects.slice(from, from + subjectsPerStatement).map(({ kind, id, liftedAt }) => ({
      subject_hmac: digest(kind, id),
      kind,
      erased_at: now.toISOString(),
      lifted_at: liftedAt?.toISOString() ?? null,
    }));
    await executor
      .insertInto('erasures')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('subject_hmac').doUpdateSet({
          erased_at: sql`greatest(erasures.erased_at, excluded.erased_at)`,
          lifted_at: sql`case when excluded.erased_at > erasures.erased_at
            then excluded.lifted_at else coalesce(erasures.lifted_at, excluded.lifted_at) end`,
          updated_at: sql`now()`,
        }),
      )
      .execute();
  }
}

/** Bound on one statement's parameters. */
const subjectsPerStatement = 1_000;
