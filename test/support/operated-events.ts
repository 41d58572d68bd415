// Events in every state for tests of the operator's commands, in a database of their own.
import { afterEach, beforeEach, expect } from 'vitest';
import type { Database } from '../../src/store/database.ts';
import { openTestDatabase, type TestDatabase } from './engines.ts';
import { entityBody, webhookBody } from './event-bodies.ts';
import { operate, type OperatorWish } from './operator.ts';
import { createWorkerParts, eventRows, type WorkerParts } from './worker-parts.ts';

/** As the worker's parts seal with it. */
export const payloadKeys = Buffer.alloc(32, 7).toString('base64');

const today = () => new Date().toISOString();
const receivedOn = (day: number) => `2020-11-${String(day).padStart(2, '0')}T08:00:00.000Z`;

export const entityEvent = (eventId: string, of: Partial<Parameters<typeof entityBody>[0]> = {}) =>
  entityBody({ eventId, timestamp: today(), entityId: `entity-${eventId}`, customerId: 'customer-1', ...of });

/** Reads as an envelope, and not as what its type should be. */
export const brokenEvent = (eventId: string) =>
  webhookBody({ type: 'entity.updated', eventId, timestamp: today(), payload: {} });

/** Registers the hooks of a file. */
export function operatedEvents() {
  let test: TestDatabase;
  let worker: WorkerParts;
  beforeEach(async () => {
    test = await openTestDatabase();
    worker = createWorkerParts(test.database, { eventKeyKeepDays: 120 });
  });
  afterEach(() => test.drop());

  const database = (): Database => test.database;
  const ops = (argv: readonly string[], wish: OperatorWish = {}) =>
    operate(argv, { database: test.database, env: { PAYLOAD_KEYS: payloadKeys }, ...wish });
  const rows = () => eventRows(test.database);
  const statesOf = async () => Object.fromEntries((await rows()).map((row) => [row.event_key, row.state]));
  const rowOf = async (eventKey: string) => {
    const row = (await rows()).find(({ event_key: found }) => found === eventKey);
    if (row === undefined) throw new Error(`no event ${eventKey}`);
    return row;
  };
  /** One processed, two quarantined on two days, one of today that nobody handles. */
  const fill = async (): Promise<void> => {
    await worker.intake([
      { body: entityEvent('a'), receivedAt: receivedOn(10) },
      { body: brokenEvent('q1'), receivedAt: receivedOn(11) },
      { body: brokenEvent('q2'), receivedAt: receivedOn(12) },
      { body: webhookBody({ type: 'payment.created', eventId: 'p', timestamp: today(), payload: {} }) },
    ]);
    for (const eventKey of ['a', 'q1', 'q2']) await worker.applyEvent(eventKey);
    expect(await statesOf()).toEqual({ a: 'processed', q1: 'quarantined', q2: 'quarantined', p: 'ignored' });
  };
  /** What `events show` tells of an event's past. */
  const historyOf = async (eventKey: string): Promise<unknown> =>
    JSON.parse((await ops(['events', 'show', eventKey, '--json'])).output).history;
  return { database, worker: () => worker, ops, rows, statesOf, rowOf, fill, historyOf };
}
