// A fifth of the webhooks never comes, in the form of Saudi Arabia, where Lean lists no events, and no `entity.created` at
// all: entities by date, banks and freshness leave the same tables as a run in which every webhook arrived.
import { beforeAll, expect, it } from 'vitest';
import { countTypes, losses, playRun, toldBySweeps, type PlayedRun } from '../support/lost-webhooks.ts';

let clean: PlayedRun;
let lossy: PlayedRun;
beforeAll(async () => {
  const endsAt = Date.now();
  [clean, lossy] = await Promise.all([
    playRun({ region: 'sa', loss: null, endsAt }),
    playRun({ region: 'sa', loss: losses.sa, endsAt }),
  ]);
}, 300_000);

it('loses every entity.created and webhooks of every other kind, and a run without loss leaves the sweeps nothing', () => {
  expect(clean.lost).toEqual([]);
  expect(Object.keys(countTypes(lossy.arrived))).not.toContain('entity.created');
  expect(Object.keys(countTypes(lossy.lost)).toSorted()).toEqual(
    Object.keys(countTypes(clean.arrived)).toSorted(),
  );
  expect(new Set(Object.values(clean.found))).toEqual(new Set([0]));
  expect(toldBySweeps(clean)).toEqual([]);
});

it('ends with the same tables as without loss', () => {
  for (const table of Object.keys(clean.tables)) {
    expect([table, lossy.tables[table]]).toEqual([table, clean.tables[table]]);
  }
  expect(clean.tables['standing_orders']?.length).toBeGreaterThan(0);
});

it('counts and tells every entity, consent, bank and refresh that only a sweep found', () => {
  const told = toldBySweeps(lossy).map(({ change }) => change);
  const ofEntities = new Set([
    'entity.connected',
    'entity.action_required',
    'entity.ended',
    'consent.updated',
  ]);
  expect(lossy.found['entities']).toBeGreaterThan(0);
  expect(told.filter((change) => ofEntities.has(change))).toHaveLength(lossy.found['entities'] ?? 0);
  expect(lossy.found['banks']).toBeGreaterThan(0);
  expect(told.filter((change) => change === 'bank.updated')).toHaveLength(lossy.found['banks'] ?? 0);
  expect(lossy.found['refreshes']).toBeGreaterThan(0);
  expect(told).toContain('sync.completed');
});
