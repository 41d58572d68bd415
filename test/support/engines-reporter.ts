// The last lines of a test run: which engines it used, what was skipped by name, left out or tried twice and why, what
// failed, and the counts.
import { join } from 'node:path';
import type { Reporter, TestCase } from 'vitest/node';
import { leftOutFiles, testFiles } from './engine-tests.ts';
import { chooseEngines, engineTestsVariable, runEngines } from './engines-choice.ts';
import { failedTests } from './failed-tests.ts';

const root = join(import.meta.dirname, '../..');

export function createSummaryReporter(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const cases = modules.flatMap((module) => [...module.children.allTests()]);
      const passed = cases.filter((test) => test.result().state === 'passed').length;
      const skipped = cases.filter((test) => test.result().state === 'skipped');
      const failed = failedTests({ modules, unhandledErrors });
      const { redis, postgres } = chooseEngines(process.env);
      const lines = [
        `engines: ${redis.words}, ${postgres.words}`,
        ...skipped.map(
          (test) => `skipped: ${test.module.relativeModuleId} > ${test.fullName} (${reason(test)})`,
        ),
        ...cases
          .filter((test) => (test.diagnostic()?.retryCount ?? 0) > 0)
          .map((test) => `second try: ${test.module.relativeModuleId} > ${test.fullName} (was late)`),
        ...(process.env[engineTestsVariable] === '1' ? [leftOut()] : []),
        ...leftOutFiles(runEngines()).map((file) => `left out (embedded engines): ${file}`),
        ...failed,
        `${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
      // A run that proves nothing is not a success.
      if (passed + failed.length === 0) process.exitCode = 1;
    },
  };
}

/** What nobody may take for tested on these engines. */
function leftOut(): string {
  const { length } = testFiles(root).withoutEngines;
  return `left out (--engine-tests): ${length} files that no engine reaches; they say the same on any`;
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === 'skipped' ? result.note : undefined) ?? 'not on these engines';
}
