// `npm run conformance [-- --file X]`: the project's own cases, or anybody's file of cases (a JSON array). Prints every
// wrong answer and the counts; exit 1 when somebody is let in or shut out who should not be.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { expectedCaseSchema, judgeCase, type ExpectedCase } from './case.ts';
import { makeOwnCases } from './own-cases.ts';

const { values } = parseArgs({
  options: { file: { type: 'string' }, skip: { type: 'string', default: '' } },
});
const skipped = values.skip.split(',');

function readCases(file: string): ExpectedCase[] {
  return z.array(expectedCaseSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
}

const all = values.file === undefined ? makeOwnCases() : readCases(values.file);
const cases = all.filter(({ category }) => category === undefined || !skipped.includes(category));
const startedAt = performance.now();
const wrong = cases
  .map((one) => ({ expected: one.expected, ...judgeCase(one) }))
  .filter(({ expected, verdict }) => verdict !== expected);
for (const { id, verdict, reason } of wrong)
  console.log(`${verdict === 'accept' ? 'LET IN  ' : 'shut out'} ${id} (${reason})`);
const letIn = wrong.filter(({ verdict }) => verdict === 'accept').length;
const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
console.log(
  `${cases.length} cases: ${cases.length - wrong.length} right, ${letIn} let in, ${wrong.length - letIn} shut out, ${seconds} s`,
);
process.exitCode = wrong.length === 0 && cases.length > 0 ? 0 : 1;
