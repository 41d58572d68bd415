// A process whose log can be made longer than its reader reads: runs the real life of a role around a part that
// only writes lines. Started by a test, with the settings of a receiver and `lines` as its first argument.
import { AppError } from '../../src/core/app-error.ts';
import { runRole } from '../../src/operations/run-role.ts';

const [lines = '0', then = 'serve'] = process.argv.slice(2);

await runRole({
  role: 'receiver',
  // oxlint-disable-next-line node/no-process-env -- this file is a process's entry
  env: process.env,
  async start({ logger }) {
    for (let line = 0; line < Number(lines); line += 1)
      logger.write('config_warning', { variable: 'LINES', problem: 'x'.repeat(1_000) });
    if (then === 'fail') throw new AppError('PORT_IN_USE', 'played');
    process.stderr.write('started\n');
    return { close: async () => {} };
  },
});
