// Log lines at the end of a process that nobody lets finish.
import { execFile } from 'node:child_process';
import { expect, it } from 'vitest';

it('the last line of a process that is cut is written', async () => {
  const module = new URL('../../src/observability/standard-output.ts', import.meta.url);
  const program = `import { createStandardOutput } from ${JSON.stringify(module.href)};
    createStandardOutput().write('the last line\\n');
    process.exit(3);`;
  const { promise, resolve } = Promise.withResolvers<unknown>();
  execFile(process.execPath, ['--input-type=module', '-e', program], (error, stdout) =>
    resolve({ code: error?.code, stdout }),
  );
  expect(await promise).toEqual({ code: 3, stdout: 'the last line\n' });
});
