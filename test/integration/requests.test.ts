// What an application may ask for by SQL alone: who may ask, what joins, and what becomes of it.
import { randomBytes } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database, Executor } from '../../src/store/database.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { recentRefreshes } from '../../src/store/refresh-request-store.ts';
import { schema0005 } from '../../src/store/schema-0005.ts';
import { qualified } from '../../src/store/schema-text.ts';
import { ask, requestRows, type AskingFunction } from '../support/asked-requests.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { createSweepParts } from '../support/sweep-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
});
afterEach(() => test.drop());

const call = (name: AskingFunction, id: unknown, executor: Executor = database.db) =>
  ask(database, name, { id, executor });
const rows = () => requestRows(database);

/** The entity of everybody's tests. */
async function connect(): Promise<void> {
  const worker = createWorkerParts(database);
  const timestamp = new Date(Date.now() - 3_600_000).toISOString();
  await worker.intake([{ body: entityBody({ eventId: 'e1', timestamp, entityId, customerId }) }]);
  await worker.applyEvent('e1');
}

describe('the functions of the application', () => {
  it('are all that its role needs, and neither the table nor the way inside is open to it', async () => {
    await connect();
    const role = sql.id(`app_${randomBytes(6).toString('hex')}`);
    const asRole = async (run: (executor: Executor) => Promise<unknown>): Promise<unknown> =>
      database.transaction(async (transaction) => {
        await sql`set local role ${role}`.execute(transaction);
        return run(transaction);
      });
    await sql`create role ${role}`.execute(database.db);
    try {
      await expect(asRole((inside) => call('request_refresh', entityId, inside))).rejects.toThrow(/denied/);
      await sql`grant usage on schema ${sql.id(test.schema)} to ${role}`.execute(database.db);
      await expect(asRole((inside) => call('request_refresh', entityId, inside))).rejects.toThrow(/denied/);
      const functions: RawBuilder<unknown>[] = [
        sql`request_refresh(text)`,
        sql`request_sync(text, boolean)`,
        sql`request_erase(text)`,
        sql`entity_removed(text)`,
      ];
      for (const one of functions)
        await sql`grant execute on function ${sql.id(test.schema)}.${one} to ${role}`.execute(database.db);
      const ids = [
        await asRole((inside) => call('request_refresh', entityId, inside)),
        await asRole((inside) => call('request_sync', entityId, inside)),
        await asRole((inside) => call('request_erase', customerId, inside)),
        await asRole((inside) => call('entity_removed', entityId, inside)),
      ];
      expect((await rows()).map(({ request_id: id }) => id)).toEqual(expect.arrayContaining(ids));
      expect(await rows()).toMatchObject([
        { kind: 'refresh', entity_id: entityId, customer_id: customerId },
        { kind: 'sync', entity_id: entityId, customer_id: customerId, full_history: false },
        { kind: 'erase', entity_id: null, customer_id: customerId },
        { kind: 'entity_removed', entity_id: entityId, customer_id: customerId },
      ]);
      for (const forbidden of [
        sql`select * from ${database.table('requests')}`,
        sql`select ${database.table('ask_for')}('erase', 'x', false)`,
        sql`insert into ${database.table('requests')} (kind) values ('erase')`,
      ])
        await expect(asRole((inside) => forbidden.execute(inside))).rejects.toThrow(/denied/);
    } finally {
      await sql`drop owned by ${role}`.execute(database.db);
      await sql`drop role ${role}`.execute(database.db);
    }
  });

  it('refuse nothing, blanks and what is too long, and say what they want', async () => {
    const wanted = /^(entity|customer)_id must be a text of 1 to 200 characters$/;
    for (const name of ['request_refresh', 'request_sync', 'request_erase', 'entity_removed'] as const)
      for (const id of [null, '', '   ', '\n', 'x'.repeat(201), ' entity-1', 'entity-1\r\n', 'entity-1\t'])
        await expect(call(name, id)).rejects.toMatchObject({
          code: '22023',
          message: expect.stringMatching(wanted),
        });
    expect(await rows()).toEqual([]);
  });

  it('give twenty callers at once one and the same request, and widen it', async () => {
    const syncs = Array.from({ length: 20 }, async (_, place) => {
      const asked = await sql<{ id: string }>`
        select ${database.table('request_sync')}(entity_id => ${entityId}, full_history => ${place === 7}) as id
      `.execute(database.db);
      return asked.rows[0]?.id;
    });
    const erasures = Array.from({ length: 20 }, () => call('request_erase', customerId));
    expect(new Set(await Promise.all(syncs)).size).toBe(1);
    expect(new Set(await Promise.all(erasures)).size).toBe(1);
    expect(await rows()).toMatchObject([
      { kind: expect.any(String), state: 'waiting' },
      { kind: expect.any(String), state: 'waiting' },
    ]);
    expect((await rows()).find(({ kind }) => kind === 'sync')).toMatchObject({ full_history: true });
  });

  it('find nothing by a name that their caller has made', async () => {
    const { rows: functions } = await sql<{ name: string; settings: string[]; isDefiner: boolean }>`
      select proname as name, proconfig as settings, prosecdef as "isDefiner"
      from pg_proc join pg_namespace as space on space.oid = pronamespace where space.nspname = ${test.schema}
    `.execute(database.db);
    expect(functions.length).toBeGreaterThan(4);
    for (const { settings } of functions) expect(settings).toEqual(['search_path=pg_catalog, pg_temp']);
    const { rows: open } = await sql`
      select proname from pg_proc join pg_namespace as space on space.oid = pronamespace,
        aclexplode(coalesce(proacl, acldefault('f', proowner))) as entry
      where space.nspname = ${test.schema} and entry.grantee = 0
    `.execute(database.db);
    expect(open).toEqual([]);
  });

  it('came to databases in which somebody had written wishes by hand, and kept those that were sound', async () => {
    const id = await call('request_erase', 'sound');
    await sql`drop index ${sql.id(test.schema)}.requests_one_erase`.execute(database.db);
    await sql`alter table ${database.table('requests')} drop constraint requests_name_somebody`.execute(
      database.db,
    );
    await sql`
      insert into ${database.table('requests')} (kind, customer_id)
      values ('erase', 'sound'), ('erase', null), ('refresh', null), ('sync', null)
    `.execute(database.db);
    // All that is about rows of the kind.
    const about = /failure_code = 'REQUEST_INVALID'|requests_one_erase|requests_name_somebody/;
    for (const text of schema0005.filter((one) => about.test(one)))
      await sql.raw(qualified(text, test.schema)).execute(database.db);
    const invalid = { state: 'failed', failure_code: 'REQUEST_INVALID', customer_id: null };
    const [first, ...others] = await rows();
    expect(first).toMatchObject({ request_id: id, state: 'waiting', customer_id: 'sound' });
    expect(others).toMatchObject([invalid, invalid, invalid, invalid]);
  });

  it('are the only way to ask: a row that names nobody is refused', async () => {
    for (const kind of ['refresh', 'sync', 'erase', 'entity_removed'])
      await expect(
        sql`insert into ${database.table('requests')} (kind) values (${kind})`.execute(database.db),
      ).rejects.toMatchObject({ code: '23514' });
  });
});

describe('looking for requests', () => {
  it('reads nothing but an index, however many were concluded', async () => {
    await sql`
      insert into ${database.table('requests')} (kind, entity_id, customer_id, state, concluded_at)
      select 'sync', 'e' || number, 'c', 'done', now() from generate_series(1, 3000) as number
    `.execute(database.db);
    await call('request_sync', entityId);
    await call('request_erase', customerId);
    await sql`analyze ${database.table('requests')}`.execute(database.db);
    const plans: string[] = [];
    for (const statement of [
      sql`select exists (select from ${database.table('requests')}
        where kind in ('refresh', 'sync', 'entity_removed') and concluded_at is null and due_at <= now())`,
      sql`select request_id from ${database.table('requests')} where kind = 'sync' and entity_id is not null
        and concluded_at is null and due_at <= now() order by due_at, request_id limit 1 for update skip locked`,
      sql`select request_id from ${database.table('requests')} where kind = 'erase' and customer_id is not null
        and concluded_at is null and due_at <= now() order by due_at, request_id limit 1 for update skip locked`,
    ]) {
      const { rows: plan } = await sql`explain ${statement}`.execute(database.db);
      plans.push(JSON.stringify(plan));
    }
    for (const plan of plans) {
      expect(plan).toMatch(/using requests_(open|due|one_erase|one_open)/);
      expect(plan).not.toContain('Seq Scan');
    }
  });
});

describe('a request for what is not there', () => {
  it('ends failed with the code that says so', async () => {
    const parts = createSweepParts(database);
    for (const name of ['request_refresh', 'request_sync', 'entity_removed'] as const)
      await call(name, 'nobody');
    await parts.round();
    const ends = (await rows()).map(({ state, failure_code: code }) => ({ state, code }));
    const end = { state: 'failed', code: 'LEAN_ENTITY_UNKNOWN' };
    expect(ends).toEqual([end, end, end]);
    const metrics = await parts.metrics.registry.metrics();
    for (const kind of ['refresh', 'sync', 'entity_removed'])
      expect(metrics).toContain(`lean_requests_total{kind="${kind}",outcome="failed"} 1`);
    const said = parts.lines
      .filter(({ event }) => event === 'request')
      .map(({ fields }) => fields['outcome']);
    // A refresh is the one that is carried out later, by a job.
    expect(said).toEqual(['failed', 'failed', 'picked_up', 'failed']);
  });
});

describe('a third refresh within a day', () => {
  it('waits until the first is a day old, and asks Lean nothing', async () => {
    await connect();
    const parts = createSweepParts(database);
    for (const hours of [20, 5]) {
      await call('request_refresh', entityId);
      await parts.round();
      await sql`
        update ${database.table('requests')} set asked_at = now() - make_interval(hours => ${hours})
        where asked_at > now() - interval '1 hour'
      `.execute(database.db);
    }
    expect((await recentRefreshes(database.db, entityId)).agesMs).toHaveLength(2);
    const id = await call('request_refresh', entityId);
    await parts.round();
    expect(parts.lean.asked).toHaveLength(2);
    const row = await database.db
      .selectFrom('requests')
      .select(['state', 'failure_code'])
      .select(sql<number>`extract(epoch from due_at - now())::float8 / 3600`.as('hours'))
      .where('request_id', '=', id)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ state: 'running', failure_code: 'REFRESH_LIMIT_REACHED' });
    expect(row.hours).toBeGreaterThan(3.9);
    expect(row.hours).toBeLessThan(4.1);
  });
});

describe('a request that cannot be carried out', () => {
  it('is put off with a code, and those behind it have their turn', async () => {
    await connect();
    await call('request_sync', entityId);
    await call('entity_removed', 'nobody');
    await sql`alter table ${database.table('sync_runs')} rename to sync_runs_away`.execute(database.db);
    await createSweepParts(database).look();
    expect((await rows()).toSorted((left, right) => (left.kind < right.kind ? -1 : 1))).toMatchObject([
      { kind: 'entity_removed', state: 'failed', failure_code: 'LEAN_ENTITY_UNKNOWN' },
      { kind: 'sync', state: 'running', failure_code: 'REQUEST_FAILED' },
    ]);
  });
});
