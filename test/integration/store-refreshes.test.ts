// Which entities have been silent for too long, and the wishes to have one refreshed.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pauseBank } from '../../src/store/bank-store.ts';
import type { Database } from '../../src/store/database.ts';
import { recordTerminalRefresh, takeStaleEntities } from '../../src/store/entity-refresh-store.ts';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import {
  dueRefreshRequests,
  lockRefreshRequest,
  recentRefreshes,
  requestRefresh,
} from '../../src/store/refresh-request-store.ts';
import { concludeRequest, postponeRequest } from '../../src/store/request-conclusion.ts';
import { orderAt } from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let test: TestDatabase;
let database: Database;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
});
afterEach(() => test.drop());

const hourMs = 3_600_000;

/** Silent for so many hours. */
async function insertEntity(entityId: string, hours: number, state = 'active'): Promise<void> {
  await sql`
    insert into ${database.table('entities')} (entity_id, customer_id, bank_identifier, state, created_at)
    values (${entityId}, 'c', 'B', ${state}, now() - make_interval(hours => ${hours}))
  `.execute(database.db);
}
const take = async (limit = 10) => {
  const taken = await database.transaction((inside) =>
    takeStaleEntities(database, inside, { staleMs: 24 * hourMs, limit }),
  );
  return taken.map(({ entityId }) => entityId);
};
const heard = (entityId: string, refreshId: string | null, time: string | null) =>
  recordTerminalRefresh(database, database.db, {
    entityId,
    refreshId,
    at: time === null ? null : instant(time),
  });

describe('an entity that has been silent for too long', () => {
  it('is taken once per stretch of silence, unless it has ended or needs its user', async () => {
    await insertEntity('silent', 25);
    await insertEntity('young', 23);
    await insertEntity('ended', 25, 'ended');
    await insertEntity('waits for its user', 25, 'action_required');
    expect(await take()).toEqual(['silent']);
    expect(await take()).toEqual([]);
  });

  it('is not silent when a refresh of it was heard of, also one without a time', async () => {
    await insertEntity('one', 25);
    await insertEntity('other', 25);
    await heard('one', 'r1', '2026-05-10T12:00:00Z');
    await heard('other', null, null);
    expect(await take()).toEqual([]);
  });

  it('is taken by one of several workers, the most silent first, a bounded number at a time', async () => {
    for (const [place, name] of ['a', 'b', 'c'].entries()) await insertEntity(name, 30 + place);
    expect(await take(1)).toEqual(['c']);
    const together = await Promise.all([take(), take()]);
    expect(together.flat().toSorted()).toEqual(['a', 'b']);
  });

  it('is left while its bank may not be asked', async () => {
    await insertEntity('silent', 25);
    await pauseBank(database, database.db, { bankIdentifier: 'B', forMs: hourMs, reason: 'BANK_ISSUE' });
    expect(await take()).toEqual([]);
  });

  it('is found by an index', async () => {
    await sql`
      insert into ${database.table('entities')} (entity_id, created_at)
      select 'young-' || number, now() + interval '1 hour' from generate_series(1, 500) as number
    `.execute(database.db);
    await sql`analyze ${database.table('entities')}`.execute(database.db);
    await database.transaction(async (inside) => {
      await sql`set local enable_seqscan = off`.execute(inside);
      const { rows } = await sql<{ 'QUERY PLAN': string }>`
        explain select entity_id from ${database.table('entities')} as entity where entity.state = 'active'
          and (coalesce(greatest(entity.refresh_heard_at, entity.freshness_asked_at), entity.synced_at,
            entity.created_at)) <= now()
      `.execute(inside);
      expect(JSON.stringify(rows)).toContain('entities_freshness');
    });
  });
});

describe('a terminal refresh', () => {
  it('is news only when none as new was heard of, in whatever order they come', async () => {
    await insertEntity('e', 1);
    expect(await heard('e', 'r2', '2026-05-10T12:00:00Z')).toBe(true);
    expect(await heard('e', 'r2', '2026-05-10T12:00:00Z')).toBe(false);
    expect(await heard('e', 'r2', '2026-05-10T12:00:05Z')).toBe(false);
    expect(await heard('e', 'r1', '2026-05-09T12:00:00Z')).toBe(false);
    expect(await heard('e', 'r3', '2026-05-11T12:00:00Z')).toBe(true);
    expect(await heard('nobody', 'r3', '2026-05-11T12:00:00Z')).toBe(false);
    expect(
      await database.db.selectFrom('entities').select(['last_refresh_id', 'last_refresh_ns']).execute(),
    ).toEqual([{ last_refresh_id: 'r3', last_refresh_ns: instant('2026-05-11T12:00:00Z').ns }]);
  });
});

describe('a reconnect id', () => {
  it('keeps the time until which it counts, and both are of the newest word', async () => {
    const apply = (reconnectId: string, reconnectExpiresAt: string, time: string) =>
      applyEntityFacts(database, database.db, {
        facts: { entityId: 'e', reconnectId, reconnectExpiresAt },
        order: orderAt(time),
      });
    await apply('new', '2026-06-12T00:00:00Z', '2026-05-13T00:00:00Z');
    await apply('old', '2026-06-11T00:00:00Z', '2026-05-12T00:00:00Z');
    expect(
      await database.db.selectFrom('entities').select(['reconnect_id', 'reconnect_expires_at']).execute(),
    ).toEqual([{ reconnect_id: 'new', reconnect_expires_at: new Date('2026-06-12T00:00:00Z') }]);
  });
});

const ask = () => requestRefresh(database, database.db, 'e');
const due = () => dueRefreshRequests(database.db, { limit: 10 });

describe('a wish to refresh an entity', () => {
  it('joins the one that is open, and is a new one once that is concluded', async () => {
    await insertEntity('e', 1);
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first.requestId).toBe(second.requestId);
    expect([first, second].filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await due()).toMatchObject([
      { requestId: first.requestId, entityId: 'e', customerId: 'c', attempts: 0 },
    ]);
    await concludeRequest(database.db, { ...first, state: 'done', refreshId: 'r', failureCode: null });
    expect(await due()).toEqual([]);
    expect(await ask()).toMatchObject({ isNew: true });
  });

  it('that has to wait is due later, and its stalled twin finds it gone', async () => {
    const { requestId } = await ask();
    const wait = { requestId, againInMs: hourMs, failureCode: 'LEAN_RATE_LIMITED' };
    await postponeRequest(database.db, wait);
    expect(await due()).toEqual([]);
    const lock = (attempts: number) => lockRefreshRequest(database.db, { requestId, attempts });
    expect(await lock(0)).toBeNull();
    expect(await lock(1)).toMatchObject({ requestId, attempts: 1 });
    await concludeRequest(database.db, {
      requestId,
      state: 'failed',
      refreshId: null,
      failureCode: 'LEAN_RATE_LIMITED',
    });
    expect(await lock(2)).toBeNull();
    const row = await database.db.selectFrom('requests').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ kind: 'refresh', state: 'failed', failure_code: 'LEAN_RATE_LIMITED' });
  });

  it('counts for Lean’s limits only once Lean has started a refresh, and for a day', async () => {
    expect(await recentRefreshes(database.db, 'e')).toEqual({ agesMs: [] });
    for (const state of ['done', 'failed', 'done'] as const) {
      const { requestId } = await ask();
      await concludeRequest(database.db, { requestId, state, refreshId: null, failureCode: null });
    }
    const { agesMs } = await recentRefreshes(database.db, 'e');
    expect(agesMs).toHaveLength(2);
    expect(Math.max(...agesMs)).toBeLessThan(60_000);
    await sql`update ${database.table('requests')} set asked_at = now() - interval '25 hours'`.execute(
      database.db,
    );
    expect(await recentRefreshes(database.db, 'e')).toEqual({ agesMs: [] });
  });
});
