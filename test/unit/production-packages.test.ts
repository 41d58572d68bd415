// What is installed in production: nothing that runs code while it is installed, and nothing without a known licence.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { knownLicences, productionPackages } from '../support/production-packages.ts';
import { root } from '../support/processes.ts';

const packages = productionPackages();

it('no package of production has an install script, but for one that never runs', () => {
  // It would fetch a faster msgpack decoder; without it msgpackr decodes in JavaScript. BullMQ wants msgpackr.
  expect(packages.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name)).toEqual([
    'msgpackr-extract',
  ]);
  expect(readFileSync(path.join(root, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
});

it('every package of production has a licence that is known', () => {
  expect(packages.length).toBeGreaterThan(50);
  const unknown = packages.filter(({ licence }) => licence === null || !knownLicences.has(licence));
  expect(unknown).toEqual([]);
});
