// The rules that the conformance run takes out one at a time are found where it looks for them: a source that was written
// anew would leave its rules unproved.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { mutations } from '../conformance/mutation-list.ts';
import { root } from '../support/processes.ts';

it('every rule to take out stands in its source exactly once', () => {
  const astray = mutations.filter(({ file, find }) => {
    const source = readFileSync(path.join(root, 'src', file), 'utf8');
    return source.split(find).length !== 2;
  });
  expect(astray.map(({ file, rule }) => `${file}: ${rule}`)).toEqual([]);
  expect(mutations.length).toBeGreaterThan(250);
});
