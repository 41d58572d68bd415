// `npm run ops -- events replay` and `quarantine replay|discard`: events are applied once more or given up, at a pace, after
// a question, and it can be seen afterwards who did what and what an event had come to before.
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { eventJobId } from '../../src/core/event-key.ts';
import { eraseCustomer } from '../../src/store/erase-customer.ts';
import { stampInstallation } from '../../src/store/installation-store.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { brokenEvent, entityEvent, operatedEvents, payloadKeys } from '../support/operated-events.ts';
import { logEntries } from '../support/operator.ts';
import { changeNames } from '../support/worker-parts.ts';

const { database, worker, ops, rows, rowOf, statesOf, fill, historyOf } = operatedEvents();

const redisEnv = (prefix: string, url = engines.redisUrl) => ({
  PAYLOAD_KEYS: payloadKeys,
  REDIS_URL: url,
  QUEUE_PREFIX: prefix,
  REDIS_DEADLINE_MS: '500',
});

describe('a replay', () => {
  it('applies an event once more and leaves the same rows, with its former outcome beside it', async () => {
    await fill();
    const entitiesBefore = await database()
      .db.selectFrom('entities')
      .select(['entity_id', 'state', 'bank_name'])
      .execute();
    const { code } = await ops(['events', 'replay', 'a', '--yes']);
    expect(code).toBe(0);
    expect(await rowOf('a')).toMatchObject({ state: 'received', concluded_at: null, replay_count: 1 });
    await worker().applyEvent('a');
    expect(await rowOf('a')).toMatchObject({ state: 'processed', replay_count: 1, delivery_count: 1 });
    expect(
      await database().db.selectFrom('entities').select(['entity_id', 'state', 'bank_name']).execute(),
    ).toEqual(entitiesBefore);
    expect(await historyOf('a')).toEqual([
      expect.objectContaining({
        replay_count: 0,
        state: 'processed',
        operator: 'tester',
        command: 'events replay',
      }),
    ]);
  });

  it('of a failed event forgets its tries and keeps its code in the history, over several replays', async () => {
    await fill();
    await sql`update ${database().table('webhook_events')} set tries = 7, first_tried_at = now()`.execute(
      database().db,
    );
    for (const time of [1, 2]) {
      expect((await ops(['events', 'replay', 'q1', '--yes', '--as', `person ${time}`])).code).toBe(0);
      const open = await database()
        .db.selectFrom('webhook_events')
        .select(['tries', 'first_tried_at', 'failure_code'])
        .where('event_key', '=', 'q1')
        .executeTakeFirst();
      expect(open).toEqual({ tries: 0, first_tried_at: null, failure_code: null });
      await worker().applyEvent('q1');
    }
    expect(await historyOf('q1')).toMatchObject([
      {
        replay_count: 0,
        state: 'quarantined',
        failure_code: 'EVENT_PAYLOAD_INVALID',
        tries: 7,
        operator: 'person 1',
      },
      { replay_count: 1, state: 'quarantined', failure_code: 'EVENT_PAYLOAD_INVALID', operator: 'person 2' },
    ]);
  });

  it('by type and time takes what is in trouble there, not the rest, and a dry run only says so', async () => {
    await fill();
    const choice = [
      'events',
      'replay',
      '--type',
      'entity.updated',
      '--since',
      '2020-11-11',
      '--until',
      '2020-11-12',
    ];
    const before = await rows();
    const dry = await ops([...choice, '--dry-run', '--json']);
    expect(JSON.parse(dry.output)).toMatchObject({ dryRun: true, changed: 0, ready: 1 });
    expect(await rows()).toEqual(before);
    expect(await logEntries(database())).toEqual([]);
    expect((await ops([...choice, '--yes'])).code).toBe(0);
    expect(await statesOf()).toEqual({ a: 'processed', q1: 'received', q2: 'quarantined', p: 'ignored' });
    expect(await logEntries(database())).toEqual([
      {
        operator: 'tester',
        command: 'events replay',
        affected: 1,
        details: {
          type: 'entity.updated',
          states: ['quarantined', 'failed'],
          since: '2020-11-11T00:00:00.000Z',
          until: '2020-11-12T00:00:00.000Z',
        },
      },
    ]);
  });

  it('goes on at no more than the rate it was given, under one entry of the log', async () => {
    await worker().intake(['1', '2', '3', '4', '5'].map((name) => ({ body: brokenEvent(name) })));
    for (const name of ['1', '2', '3', '4', '5']) await worker().applyEvent(name);
    const startedAt = performance.now();
    const { code, progress } = await ops(
      ['quarantine', 'replay', '--state', 'quarantined', '--per-second', '2'],
      {
        answer: 'yes',
      },
    );
    expect(code).toBe(0);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(2_000);
    expect(progress).toEqual([2, 4, 5].map((count) => `quarantine replay: ${count} of 5`).concat(''));
    expect(await logEntries(database())).toMatchObject([{ affected: 5 }]);
    expect(Object.values(await statesOf())).toEqual(Array(5).fill('received'));
  });

  it('that is interrupted stops between two steps and says how far it came', async () => {
    await fill();
    const stop = new AbortController();
    stop.abort();
    const { code, output } = await ops(['quarantine', 'replay', '--since', '2020-11-01', '--yes', '--json'], {
      stop: stop.signal,
    });
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ changed: 0, isInterrupted: true });
  });

  it('by two operators at once starts each event over once', async () => {
    await fill();
    const choice = ['quarantine', 'replay', '--since', '2020-11-01', '--yes'];
    await Promise.all([ops(choice), ops(choice)]);
    expect((await rows()).map((row) => row.replay_count)).toEqual([0, 0, 1, 1]);
    const affected = (await logEntries(database())).map((entry) => entry.affected);
    expect(affected.reduce((sum, count) => sum + count, 0)).toBe(2);
  });

  it('leaves alone what is open, unknown or without a body, and says so with 1', async () => {
    await fill();
    await worker().intake([{ body: entityEvent('open') }]);
    await sql`update ${database().table('webhook_events')} set body = null where event_key = 'q1'`.execute(
      database().db,
    );
    const { code, output } = await ops([
      'events',
      'replay',
      'q1',
      'q2',
      'open',
      'gone',
      '--yes',
      '--json',
      '--force',
    ]);
    expect(code).toBe(1);
    const answer = JSON.parse(output);
    expect(answer).toMatchObject({ changed: 1, unknown: 1 });
    expect(answer.groups.map(({ verdict }: { verdict: string }) => verdict).toSorted()).toEqual([
      'body_gone',
      'open',
      'ready',
    ]);
    expect(await statesOf()).toMatchObject({ q1: 'quarantined', q2: 'received', open: 'received' });
  });

  it('acts on EVENT_TOO_OLD and on a second body of one id only with --force', async () => {
    const old = '2020-01-01T00:00:00Z';
    await worker().intake([{ body: entityEvent('old', { timestamp: old }) }, { body: entityEvent('twice') }]);
    await worker().intake([{ body: entityEvent('twice', { bankName: 'Another' }) }]);
    const codes = (await rows()).map((row) => row.failure_code);
    expect(codes.filter((code) => code !== null).toSorted()).toEqual([
      'EVENT_BODY_CONFLICT',
      'EVENT_TOO_OLD',
    ]);
    const choice = [
      'events',
      'replay',
      '--since',
      '2020-01-01',
      '--state',
      'quarantined,failed,ignored',
      '--yes',
    ];
    const refused = await ops(choice);
    expect(refused.code).toBe(1);
    expect(refused.output).toContain('takes --force');
    expect(await logEntries(database())).toEqual([]);
    expect((await ops([...choice, '--force'])).code).toBe(0);
    await worker().applyEvent('old');
    expect(await rowOf('old')).toMatchObject({ state: 'processed' });
    expect(await logEntries(database())).toMatchObject([{ affected: 2, details: { force: true } }]);
  });

  it('never touches an event of an erased customer, whose body is gone, not even with --force', async () => {
    await stampInstallation(database(), { environment: 'sandbox', region: 'ae', appToken: 'token' });
    await eraseCustomer(database(), { customerId: 'customer-1', now: new Date(Date.now() + 60_000) });
    await worker().intake([{ body: entityEvent('erased') }]);
    expect(await rowOf('erased')).toMatchObject({ failure_code: 'CUSTOMER_ERASED', body: null });
    const { code, output } = await ops(['events', 'replay', 'erased', '--force', '--yes']);
    expect(code).toBe(1);
    expect(output).toContain('its body is gone');
    expect(await rowOf('erased')).toMatchObject({ state: 'ignored', replay_count: 0 });
  });

  it('and its entry in the log are there together or not at all', async () => {
    await fill();
    await sql`alter table ${database().table('event_history')} rename to hidden`.execute(database().db);
    await expect(ops(['events', 'replay', 'q1', '--yes'])).rejects.toThrow('event_history');
    expect(await rowOf('q1')).toMatchObject({ state: 'quarantined', replay_count: 0 });
    expect(await logEntries(database())).toEqual([]);
  });
});

describe('the job of a replayed event', () => {
  it('is in Redis at once, under an id of this replay', async () => {
    await fill();
    const prefix = uniquePrefix();
    expect((await ops(['events', 'replay', 'a', '--yes'], { env: redisEnv(prefix) })).code).toBe(0);
    const redis = new Redis(engines.redisUrl);
    expect(await redis.exists(`${prefix}:webhook-events:${eventJobId('a', 1)}`)).toBe(1);
    redis.disconnect();
  });

  it('may be missing while Redis is away: the event is open all the same, and the command says so with 1', async () => {
    await fill();
    const { code, output } = await ops(['events', 'replay', 'a', '--yes'], {
      env: redisEnv('{nowhere}', 'redis://127.0.0.1:1'),
    });
    expect(code).toBe(1);
    expect(output).toContain('QUEUE_UNAVAILABLE');
    expect(await rowOf('a')).toMatchObject({ state: 'received', replay_count: 1 });
  });
});

describe('before a change', () => {
  it('nothing happens on a no, nor without a terminal and without --yes, nor for somebody without a name', async () => {
    await fill();
    const before = await rows();
    const no = await ops(['events', 'replay', 'q1'], { answer: '' });
    expect(no.code).toBe(1);
    expect(no.asked).toEqual(['replay 1 event? [y/N] ']);
    expect(no.output).toContain('nothing was changed');
    expect((await ops(['events', 'replay', 'q1'])).output).toContain('give --yes, or --dry-run');
    expect((await ops(['events', 'replay', 'q1', '--yes'], { operator: null })).output).toContain(
      '--as NAME',
    );
    expect((await ops(['events', 'replay', '--yes'])).output).toContain('name keys, or choose');
    expect((await ops(['quarantine', 'discard', '--yes'])).code).toBe(2);
    expect(await rows()).toEqual(before);
  });
});

describe('quarantine discard', () => {
  it('keeps the key and drops the body, concludes EVENT_DISCARDED, and knows the event when it comes again', async () => {
    await fill();
    const changes = await changeNames(database());
    expect((await ops(['quarantine', 'discard', 'q1', '--yes'])).code).toBe(0);
    expect(await rowOf('q1')).toMatchObject({
      state: 'ignored',
      failure_code: 'EVENT_DISCARDED',
      body: null,
    });
    await worker().intake([{ body: brokenEvent('q1') }]);
    expect(await statesOf()).toMatchObject({ q1: 'ignored', q2: 'quarantined' });
    expect(await changeNames(database())).toEqual(changes);
    expect(await historyOf('q1')).toMatchObject([
      { state: 'quarantined', failure_code: 'EVENT_PAYLOAD_INVALID' },
    ]);
    expect(await logEntries(database())).toMatchObject([{ command: 'quarantine discard', affected: 1 }]);
  });

  it('never takes what was processed, not even by its key', async () => {
    await fill();
    expect((await ops(['quarantine', 'discard', 'a', '--yes'])).code).toBe(1);
    expect((await ops(['quarantine', 'replay', 'a', '--yes'])).code).toBe(1);
    expect(await rowOf('a')).toMatchObject({ state: 'processed', replay_count: 0 });
  });
});
