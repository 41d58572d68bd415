// The last lines of a test run: which engines it used, what was skipped by name and why, and the counts.
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import { chooseEngines } from './engines-choice.ts';

export function createSummaryReporter(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const cases = modules.flatMap((module) => [...module.children.allTests()]);
      const passed = cases.filter((test) => test.result().state === 'passed').length;
      const skipped = cases.filter((test) => test.result().state === 'skipped');
      const failed = failures(cases, modules) + unhandledErrors.length;
      const { redis, postgres } = chooseEngines(process.env);
      const lines = [
        `engines: ${redis.words}, ${postgres.words}`,
        ...skipped.map(
          (test) => `skipped: ${test.module.relativeModuleId} > ${test.fullName} (${reason(test)})`,
        ),
        `${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
      // A run that proves nothing is not a success.
      if (passed + failed === 0) process.exitCode = 1;
    },
  };
}

/** A test that never ended counts as failed, and so does a file that could not be loaded. */
function failures(cases: readonly TestCase[], modules: readonly TestModule[]): number {
  const tests = cases.filter((test) => ['failed', 'pending'].includes(test.result().state)).length;
  const files = modules.filter((module) => module.errors().length > 0).length;
  return tests + files;
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === 'skipped' ? result.note : undefined) ?? 'not on these engines';
}
