// A run with --engine-tests leaves files out because no engine reaches them; that has to be so.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { leftOutFiles, longOnEmbeddedFiles, realOnlyFiles, testFiles } from '../support/engine-tests.ts';

const root = path.join(import.meta.dirname, '../..');
const { withEngines, withoutEngines } = testFiles(root);

it('finds an engine behind however many files', () => {
  expect(withEngines).toEqual(
    expect.arrayContaining(['test/integration/engines.test.ts', 'test/integration/doctor-public.test.ts']),
  );
  expect(withoutEngines).toEqual(
    expect.arrayContaining(['test/unit/money.test.ts', 'test/integration/hostile-heads.test.ts']),
  );
});

it('leaves out no file that asks for the engines past the one door to them', () => {
  const doors = /['"]enginesBroker['"]|engines-(?:broker|choice|pglite|setup)|TEST_ENGINES|test\/run\.ts/;
  const asking = withoutEngines.filter((file) => doors.test(readFileSync(path.join(root, file), 'utf8')));
  // This file names them in order to look for them.
  expect(asking).toEqual(['test/unit/engine-tests.test.ts']);
});

describe('a run on embedded engines', () => {
  it('leaves out files that are there and that say what they need', () => {
    expect(withEngines).toEqual(expect.arrayContaining([...realOnlyFiles, ...longOnEmbeddedFiles]));
    const needs = /needsRealEngines|canStart|databaseUrl|workersCanBeKilled|killedWorld|longTests/;
    const silent = realOnlyFiles.filter((file) => !needs.test(readFileSync(path.join(root, file), 'utf8')));
    expect(silent).toEqual([]);
  });

  it('leaves out nothing but these, a long one only what it would skip, and one on real engines nothing', () => {
    expect(leftOutFiles({ isEmbedded: true, isLong: false })).toHaveLength(
      realOnlyFiles.length + longOnEmbeddedFiles.length,
    );
    expect(leftOutFiles({ isEmbedded: true, isLong: true })).toEqual(realOnlyFiles);
    expect(leftOutFiles({ isEmbedded: false, isLong: false })).toEqual([]);
  });
});
