// Banks: Lean's word on their availability, newest first, and our own pauses.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  pauseBank,
  readBankAvailability,
  readUnavailableBanks,
  resumeBank,
  upsertBanks,
} from '../../src/store/bank-store.ts';
import type { CanonicalBank } from '../../src/core/canonical-access.ts';
import { bank, everyOrderOfThree, orderAt } from '../support/arrangement-records.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { instant } from '../support/sync-records.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.drop());
beforeEach(() => opened.database.db.deleteFrom('banks').execute());

const listed = (banks: readonly CanonicalBank[], time = '2026-05-10T12:00:00Z') =>
  opened.database.transaction((inside) =>
    upsertBanks(opened.database, inside, { banks, order: orderAt(time), source: 'item', keyRing: null }),
  );
const silent = {
  name: null,
  arabicName: null,
  bankType: null,
  accountType: null,
  country: null,
  bic: null,
  isMock: null,
  raw: 'event',
};
const event = (activeData: boolean, time: string) =>
  opened.database.transaction((inside) =>
    upsertBanks(opened.database, inside, {
      banks: [bank('B', { ...silent, activeData, enabledData: true })],
      order: { ns: instant(time).ns, key: time },
      source: 'event',
      keyRing: null,
    }),
  );
const availability = (identifier = 'B') => readBankAvailability(opened.database.db, identifier);
const pause = (forMs: number, reason = 'BANK_ISSUE') =>
  pauseBank(opened.database, opened.database.db, { bankIdentifier: 'B', forMs, reason });

describe('a bank', () => {
  it('that nobody has spoken of is available', async () => {
    expect(await availability()).toEqual({ isAvailable: true, pausedUntil: null, pauseReason: null });
  });

  it('is available as the newest event says, in whatever order events and lists come', async () => {
    const reports = [
      () => event(true, '2026-05-09T12:00:00Z'),
      () => listed([bank('B')], '2026-05-10T12:00:00Z'),
      () => event(false, '2026-05-11T12:00:00Z'),
    ] as const;
    const ends: unknown[] = [];
    for (const order of everyOrderOfThree) {
      await opened.database.db.deleteFrom('banks').execute();
      for (const place of order) await reports[place]();
      const {
        created_at: _,
        updated_at: __,
        ...row
      } = await opened.database.db.selectFrom('banks').selectAll().executeTakeFirstOrThrow();
      ends.push(row);
    }
    expect(ends[0]).toMatchObject({ name: 'Bank of Tests', active_data: false, enabled_data: true });
    for (const end of ends) expect(end).toEqual(ends[0]);
    expect(await availability()).toMatchObject({ isAvailable: false });
    await event(true, '2026-05-12T12:00:00Z');
    expect(await availability()).toMatchObject({ isAvailable: true });
  });

  it('is counted as changed only when something about it has changed', async () => {
    expect(await listed([bank('B'), bank('C')])).toMatchObject({ inserted: 2 });
    expect(
      await listed([bank('B'), bank('C', { enabledData: false })], '2026-05-11T12:00:00Z'),
    ).toMatchObject({
      inserted: 0,
      changed: 1,
      unchanged: 1,
    });
    expect(await readUnavailableBanks(opened.database.db)).toMatchObject([
      { bankIdentifier: 'C', isAvailable: false, pausedUntil: null },
    ]);
  });

  it('is paused for as long as said, never shorter than before, and counts pauses in a row', async () => {
    const first = await pause(60_000);
    expect(first).toMatchObject({ pausesInARow: 1, isNew: true });
    const shorter = await pause(1_000, 'BANK_MAINTENANCE');
    expect(shorter).toEqual({ pausedUntil: first.pausedUntil, pausesInARow: 1, isNew: false });
    expect(await availability()).toEqual({
      isAvailable: true,
      pausedUntil: first.pausedUntil,
      pauseReason: 'BANK_MAINTENANCE',
    });
    await opened.database.db.updateTable('banks').set({ paused_until: '2026-01-01T00:00:00Z' }).execute();
    expect(await availability()).toEqual({ isAvailable: true, pausedUntil: null, pauseReason: null });
    expect(await pause(60_000)).toMatchObject({ pausesInARow: 2, isNew: true });
  });

  it('goes on at once when it is resumed, and its pauses count from one again', async () => {
    await pause(60_000);
    expect(await resumeBank(opened.database.db, 'B')).toBe(true);
    expect(await resumeBank(opened.database.db, 'B')).toBe(false);
    expect(await readUnavailableBanks(opened.database.db)).toEqual([]);
    expect(await pause(1_000)).toMatchObject({ pausesInARow: 1, isNew: true });
  });

  it('keeps its pause when Lean speaks of it', async () => {
    const { pausedUntil } = await pause(60_000);
    await listed([bank('B')]);
    expect(await availability()).toMatchObject({ pausedUntil });
  });
});
