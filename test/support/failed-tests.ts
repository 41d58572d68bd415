// What failed in a test run, one line each: whoever reads only the end of a long output learns every name from them,
// and what was wrong.
import path from 'node:path';
import type { SerializedError, TestCase, TestModule } from 'vitest/node';

const root = path.join(import.meta.dirname, '../..');
const longestReason = 240;

interface Run {
  readonly modules: readonly TestModule[];
  /** Of no test. */
  readonly unhandledErrors: readonly SerializedError[];
}

/** A test that never ended has failed, and so has a file or a group that never came to its tests. */
export function failedTests({ modules, unhandledErrors }: Run): string[] {
  return [
    ...modules.flatMap((module) => [
      ...lineOf(module.relativeModuleId, module.errors()),
      ...[...module.children.allSuites()].flatMap((suite) =>
        lineOf(`${module.relativeModuleId} > ${suite.fullName}`, suite.errors()),
      ),
      ...[...module.children.allTests()].flatMap(failedTest),
    ]),
    ...unhandledErrors.flatMap((error) => lineOf('outside of any test', [error])),
  ];
}

function failedTest(test: TestCase): string[] {
  const { state, errors = [] } = test.result();
  const name = `${test.module.relativeModuleId} > ${test.fullName}`;
  if (state === 'pending') return [`FAILED: ${name}: never ended`];
  return state === 'failed' ? lineOf(name, errors) : [];
}

/** With the last error: those before it are of a try that was repeated. */
function lineOf(name: string, errors: readonly SerializedError[]): string[] {
  const error = errors.at(-1);
  return error === undefined ? [] : [`FAILED: ${name}: ${reasonOf(error)}`];
}

function reasonOf({ message, diff, stacks = [] }: SerializedError): string {
  const [first = ''] = message.split('\n');
  // Of what was there in place of the expected; the two headings come before it.
  const found =
    typeof diff === 'string' ? diff.split('\n').find((line) => /^\+ (?!Received)/.test(line)) : undefined;
  const place = stacks.find(({ file }) => file.startsWith(path.join(root, 'test')));
  const where = place === undefined ? '' : ` (${path.relative(root, place.file)}:${place.line})`;
  const said = found === undefined ? first : `${first}; ${found.replaceAll(/\s+/g, ' ')}`;
  return `${said.slice(0, longestReason)}${where}`;
}
