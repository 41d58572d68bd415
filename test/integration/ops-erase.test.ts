// `npm run ops -- erase`: an operator is told what goes, agrees, and the log keeps that it was done and not whose it was.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { eraseCustomer, previewErasure } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody, refreshBody } from '../support/event-bodies.ts';
import { logEntries, operate, type OperatorWish } from '../support/operator.ts';
import { partsOfTwoAccounts } from '../support/sync-parts.ts';
import { customerId, entityId } from '../support/sync-records.ts';
import { createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

let test: TestDatabase;
let database: Database;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  ({ database } = test);
  worker = createWorkerParts(database);
  await stampInstallation(database, { environment: 'sandbox', region: 'ae', appToken: 'token' });
  const parts = partsOfTwoAccounts(database);
  await parts.request();
  await parts.drain();
  await worker.intake([
    { body: entityBody({ eventId: 'theirs', entityId, customerId }) },
    { body: entityBody({ eventId: 'other', entityId: 'entity-2', customerId: 'customer-2' }) },
  ]);
  await worker.applyEvent('theirs');
  await worker.applyEvent('other');
});
afterEach(() => test.drop());

const erase = (argv: readonly string[], wish: OperatorWish = {}) =>
  operate(['erase', ...argv], { database, ...wish });

it('shows before what goes, exactly, and a dry run changes nothing', async () => {
  const { code, output } = await erase([customerId, '--dry-run', '--json']);
  expect(code).toBe(0);
  const told = JSON.parse(output);
  expect(told).toMatchObject({ dryRun: true, entities: 1, rows: { accounts: 2, entities: 1 } });
  expect(await eventRows(database)).toHaveLength(2);
  expect(await logEntries(database)).toEqual([]);
  const erased = await eraseCustomer(database, { customerId, now: new Date() });
  expect(told.rows).toEqual(erased.rows);
});

it('erases on a yes, and logs who, when and how many, without a word that says whom', async () => {
  await operate(['events', 'replay', 'theirs', '--yes'], { database });
  const { rows } = await previewErasure(database, customerId);
  const count = Object.values(rows).reduce((sum, ofTable) => sum + ofTable, 0);
  const { code, output, asked, progress } = await erase([customerId], { answer: 'y' });
  expect(code).toBe(0);
  expect(asked).toEqual([`erase ${count} rows for good? [y/N] `]);
  expect(progress.at(-2)).toBe(`erase: ${count} of ${count} rows`);
  expect(output).not.toContain(customerId);
  expect((await eventRows(database)).map((row) => row.event_key)).toEqual(['other']);
  expect(await database.db.selectFrom('event_history').selectAll().execute()).toEqual([]);
  const entries = await logEntries(database);
  expect(entries.at(-1)).toEqual({
    operator: 'tester',
    command: 'erase',
    affected: count,
    details: { entities: 1, customer_hmac: expect.stringMatching(/^[0-9a-f]{64}$/) },
  });
  expect(JSON.stringify(entries)).not.toMatch(/customer-1|entity-1/);
});

it('of a customer nobody knows ends with 1, and keeps out what comes for them all the same', async () => {
  const { code } = await erase(['customer-3', '--yes']);
  expect(code).toBe(1);
  await worker.intake([
    { body: refreshBody({ eventId: 'late', entityId: 'entity-3', customerId: 'customer-3' }) },
  ]);
  const late = (await eventRows(database)).find((row) => row.event_key === 'late');
  expect(late).toMatchObject({ failure_code: 'CUSTOMER_ERASED', body: null, customer_id: null });
});

it('does nothing without an answer, and nothing for two customers at a time', async () => {
  expect((await erase([customerId])).code).toBe(2);
  expect((await erase([customerId], { answer: 'no' })).code).toBe(1);
  expect((await erase([customerId, 'customer-2', '--yes'])).code).toBe(2);
  expect(await eventRows(database)).toHaveLength(2);
});
