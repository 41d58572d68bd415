// Which days of transactions a later sync asks for, and what it may take for gone: only what the days it has read
// would have shown. Lean is one function that keeps to the days it is asked for, and once the simulated server.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLeanClient } from '../../src/lean/lean-client.ts';
import { applyEntityFacts } from '../../src/store/entity-store.ts';
import { overlapDays } from '../../src/store/list-start-store.ts';
import type { SyncRequest } from '../../src/store/sync-store.ts';
import type { SyncStep } from '../../src/store/sync-step-store.ts';
import { createCallLean } from '../../src/worker/sync-call.ts';
import { askedDays } from '../../src/worker/sync-window.ts';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';
import { comparedTablesSql, expectedTables } from '../simulator/expected-tables.ts';
import { startLeanServer } from '../simulator/lean-server.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { testPki } from '../support/pki.ts';
import {
  clearSyncTables,
  createSyncParts,
  pageOf,
  readChanges,
  readTransactions,
} from '../support/sync-parts.ts';
import { account, entityId, transaction } from '../support/sync-records.ts';
import { testKeyRing } from '../support/worker-parts.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => clearSyncTables(opened.database));

const later = { reason: 'refresh', fullHistory: false } as const;

/** Ten days of one transaction each, five to a page, up to the day Lean was last refreshed. */
function openLean() {
  const parts = createSyncParts(opened.database);
  const { world } = parts;
  world.pageSize = 5;
  world.refreshedAt = '2026-05-10T12:00:00Z';
  world.accounts = [account('a')];
  world.transactions.set('a', month('04').concat(month('05')).slice(0, 40));
  const asked: string[] = [];
  const answer = (step: SyncStep) => {
    const { startDate, endDate } = askedDays(step, undefined);
    asked.push(`${step.stepKey.replace(/^transactions:/, '')} ${startDate ?? 'all'}`);
    const held = world.transactions.get(step.accountId ?? '') ?? [];
    const within = held.filter(
      ({ bookingDate }) =>
        bookingDate === null ||
        ((startDate === null || bookingDate >= startDate) && (endDate === null || bookingDate <= endDate)),
    );
    return pageOf({ ...world, transactions: new Map([[step.accountId ?? '', within]]) }, step);
  };
  world.intercept = (step) => (step.kind === 'transactions' ? answer(step) : undefined);
  return {
    parts,
    world,
    answer,
    /** What was asked for since the last look: list, pass, page and first day. */
    sync: async (facts: Partial<SyncRequest> = later) => {
      asked.length = 0;
      await parts.request(facts);
      await parts.drain();
      return [...asked];
    },
    change: (edit: (held: ReturnType<typeof month>) => ReturnType<typeof month>) => {
      world.transactions.set('a', edit(world.transactions.get('a') ?? []));
      world.refreshedAt = new Date(Date.parse(world.refreshedAt) + 60_000).toISOString();
    },
  };
}

/** `m04-01` on 2026-04-01 and so on: thirty of them. */
function month(name: string) {
  return Array.from({ length: 30 }, (_, index) => {
    const day = String(index + 1).padStart(2, '0');
    return transaction(`m${name}-${day}`, { bookingDate: `2026-${name}-${day}` });
  });
}

async function gone() {
  const rows = await readTransactions(opened.database);
  return rows.flatMap((row) => (row.superseded_at === null ? [] : [row.transaction_id]));
}

describe('a later sync', () => {
  it('reads from an overlap before the last booking on, on every page, and the first sync all of it', async () => {
    const { sync } = openLean();
    expect(await sync({})).toEqual(Array.from({ length: 8 }, (_, page) => `a:0:${page} all`));
    expect(overlapDays).toBe(10);
    expect(await sync()).toEqual(['a:0:0 2026-04-30', 'a:0:1 2026-04-30', 'a:0:2 2026-04-30']);
    expect(await gone()).toEqual([]);
  });

  it('takes for gone only what the days it has read would have shown', async () => {
    const { sync, change } = openLean();
    await sync({});
    change((held) => held.filter(({ transactionId }) => !['m04-03', 'm05-05'].includes(transactionId)));
    // Lean holds far more than it was asked for, and says so.
    const held = { account_id: 'a', transactions: 'OK', transaction_availability: { start: '2026-01-01' } };
    await sync({ ...later, dataStatus: { account_data: [held] } });
    expect(await gone()).toEqual(['m05-05']);
    await sync({ reason: 'requested', fullHistory: true });
    expect(await gone()).toEqual(['m04-03', 'm05-05']);
  });

  it('tells which days it has asked for, with what has come of them', async () => {
    const { sync, change } = openLean();
    await sync({});
    const wanted = { ...later, window: { from: '2026-04-20', to: '2026-05-08' } };
    change((held) => held.filter(({ transactionId }) => transactionId !== 'm05-05'));
    await sync(wanted);
    const changes = await readChanges(opened.database);
    const told = changes.filter(({ change: name }) => name === 'transactions.updated');
    expect(told.map(({ details }) => details)).toMatchObject([
      ...Array.from({ length: 8 }, () => ({ inserted: 5, superseded: 0, from: null, to: null })),
      { inserted: 0, changed: 0, superseded: 1, from: '2026-04-20', to: '2026-05-08' },
    ]);
  });

  it('keeps to its days when the list starts over', async () => {
    const { sync, world, answer } = openLean();
    await sync({});
    let isShifted = false;
    world.intercept = (step) => {
      if (step.kind !== 'transactions') return undefined;
      if (step.page === 1 && !isShifted) {
        isShifted = true;
        world.refreshedAt = '2026-05-10T13:00:00Z';
      }
      return answer(step);
    };
    expect(await sync()).toEqual([
      'a:0:0 2026-04-30',
      'a:0:1 2026-04-30',
      'a:1:0 2026-04-30',
      'a:1:1 2026-04-30',
      'a:1:2 2026-04-30',
    ]);
    expect(await gone()).toEqual([]);
  });

  it.each([
    ['pending', { status: 'PENDING' }],
    ['mutable', { mutability: 'MUTABLE' }],
  ])('reaches back to what was still %s, and sees what has become of it', async (_word, facts) => {
    const { sync, change } = openLean();
    change((held) => [transaction('open', { bookingDate: '2026-03-20', ...facts }), ...held]);
    await sync({});
    change((held) => [
      transaction('open', { bookingDate: '2026-03-20', status: 'BOOKED', amount: '99.00' }),
      ...held.slice(1),
    ]);
    expect((await sync())[0]).toBe('a:0:0 2026-03-10');
    const rows = await readTransactions(opened.database);
    const row = rows.find((one) => one.transaction_id === 'open');
    expect(row).toMatchObject({ amount: '99.00', superseded_at: null });
    expect((await sync())[0]).toBe('a:0:0 2026-04-30');
  });
});

describe('the whole list is read', () => {
  it('while something pending has no day', async () => {
    const { sync, change } = openLean();
    change((held) => [...held, transaction('undated', { status: 'PENDING', bookingDate: null })]);
    await sync({});
    expect((await sync())[0]).toBe('a:0:0 all');
    change((held) => held.slice(0, -1));
    await sync();
    expect(await gone()).toEqual(['undated']);
    expect((await sync())[0]).toBe('a:0:0 2026-04-30');
  });

  it('of an account that has appeared since', async () => {
    const { sync, world } = openLean();
    await sync({});
    world.accounts = [account('a'), account('b')];
    world.transactions.set('b', [transaction('b1', { bookingDate: '2026-01-01' })]);
    expect(await sync()).toEqual(expect.arrayContaining(['a:0:0 2026-04-30', 'b:0:0 all']));
    expect(await sync()).toEqual(expect.arrayContaining(['b:0:0 2025-12-22']));
  });

  it('until it has been read to its end once', async () => {
    const { sync, world, answer } = openLean();
    world.intercept = (step) =>
      step.kind === 'transactions' ? { ...answer(step), unreadable: step.page === 7 ? 1 : 0 } : undefined;
    await sync({});
    world.intercept = (step) => (step.kind === 'transactions' ? answer(step) : undefined);
    expect(await sync()).toHaveLength(8);
    expect(await sync()).toHaveLength(3);
  });

  it('after a named window just as before it', async () => {
    const { sync } = openLean();
    await sync({ ...later, window: { from: '2026-04-01', to: '2026-04-10' } });
    expect((await sync())[0]).toBe('a:0:0 all');
  });

  it('once after the customer has connected anew', async () => {
    const { sync } = openLean();
    await sync({});
    const ns = BigInt(Date.now() + 60_000) * 1_000_000n;
    const facts = { entityId, state: { state: 'active', reason: null } } as const;
    await opened.database.transaction((inside) =>
      applyEntityFacts(opened.database, inside, { facts, order: { ns, key: 'reconnected' } }),
    );
    expect(await sync()).toHaveLength(8);
    // The clock of the database goes on meanwhile: the run that has read it all is later than the event.
    await opened.database.db
      .updateTable('sync_runs')
      .set({ started_at: sql<string>`now() + interval '2 minutes'` })
      .where('state', '=', 'done')
      .execute();
    expect(await sync()).toHaveLength(3);
  });
});

it('reads from the end of what a late reading of the bank had, however long ago that was', async () => {
  const { sync, world } = openLean();
  world.refreshedAt = '2026-05-04T12:00:00Z';
  await sync({});
  expect((await sync())[0]).toBe('a:0:0 2026-04-24');
});

describe('over the wire', () => {
  it('a refresh is read by its last days, and the rows are those that Lean holds', async () => {
    const customers = generateCustomers({ seed: 'windows', entities: 2, accounts: 2, transactions: 150 });
    const pki = await testPki();
    const appToken = 'app-token';
    const server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
    const { certPem, keyPem } = pki.application;
    const material = { certPem, keyPem, caPem: pki.leanChainPem };
    const client = createLeanClient({ apiUrl: server.url, appToken, material });
    const callLean = createCallLean({ client, transactionHistoryDays: undefined });
    const parts = createSyncParts(opened.database, { callLean, keyRing: testKeyRing });
    try {
      for (const facts of [{}, later, later]) {
        for (const one of customers.entities) {
          if (facts === later) server.refresh(one.entityId);
          await parts.request({ ...one, rereadEntity: true, ...facts });
        }
        await parts.drain();
        expect(await rowsOf()).toEqual(expectedOf(customers));
      }
      const queries = server.calls
        .filter(({ path }) => path.endsWith('/transactions'))
        .map(({ query }) => query);
      // An account with something pending and undated is read whole; every first sync is.
      const windowed = queries.filter((query) => query.includes('start_date='));
      expect(windowed.length).toBeGreaterThan(0);
      expect(windowed.every((query) => query.includes('page=0'))).toBe(true);
    } finally {
      await client.close();
      await server.close();
    }
  });
});

async function rowsOf() {
  const query = comparedTablesSql(opened.schema).transactions;
  return (await sql.raw(query).execute(opened.database.db)).rows;
}

function expectedOf(customers: SimulatedCustomers) {
  return expectedTables(customers).transactions;
}
