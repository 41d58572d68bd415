// A fifth of the webhooks never comes, in the form of the UAE, where Lean lists its events: sweeps and freshness leave the
// same tables as a run in which every webhook arrived, and tell of what they found.
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { listedEventTypes } from '../simulator/event-log.ts';
import { engines } from '../support/engines.ts';
import { longTests } from '../support/long-tests.ts';
import { countTypes, losses, playRun, toldBySweeps, type PlayedRun } from '../support/lost-webhooks.ts';

let clean: PlayedRun;
let lossy: PlayedRun;
const isLeftOut = engines.kind.postgres === 'embedded' && !longTests;
beforeEach((context) => context.skip(isLeftOut, 'takes long: LONG_TESTS=1; Saudi Arabia’s runs'));
beforeAll(async () => {
  if (isLeftOut) return;
  const endsAt = Date.now();
  [clean, lossy] = await Promise.all([
    playRun({ region: 'ae', loss: null, endsAt }),
    playRun({ region: 'ae', loss: losses.ae, endsAt }),
  ]);
}, 300_000);

it('loses webhooks of every kind that brings bank data, and a run without loss leaves the sweeps nothing', () => {
  expect(clean.lost).toEqual([]);
  expect(Object.keys(countTypes(lossy.lost))).toEqual(
    expect.arrayContaining(['entity.created', 'entity.updated', 'entity.data.refresh.updated']),
  );
  expect(new Set(Object.values(clean.found))).toEqual(new Set([0]));
  expect(toldBySweeps(clean)).toEqual([]);
});

it('ends with the same tables as without loss', () => {
  for (const table of Object.keys(clean.tables)) {
    expect([table, lossy.tables[table]]).toEqual([table, clean.tables[table]]);
  }
  expect(clean.tables['transactions']?.length).toBeGreaterThan(0);
});

it('counts and tells every event that only the sweep found, and every refresh', () => {
  const lost = lossy.lost.filter(({ type }) => listedEventTypes.has(type));
  expect(lossy.found['events']).toBe(lost.length);
  const told = toldBySweeps(lossy);
  const keys = told.flatMap(({ change, event_key: key }) => (change === 'event.recorded' ? [key] : []));
  expect(keys).toHaveLength(lost.length);
  expect(new Set(keys)).toEqual(new Set(lost.map(({ eventId }) => eventId)));
  expect(lossy.found['refreshes']).toBeGreaterThan(0);
  expect(told.map(({ change }) => change)).toContain('sync.completed');
});
