// A worker of the version before the newest migration, on a database that this version has migrated, with jobs that this
// version's producer has written: how it is for the minutes of an upgrade.
import path from 'node:path';
import { expect, it } from 'vitest';
import { readComparableTables } from '../support/comparable-tables.ts';
import { eventually } from '../support/eventually.ts';
import { checkOutFormerVersion } from '../support/former-version.ts';
import {
  effectsOf,
  killAndWait,
  killedBodies,
  killedWorld,
  settleTimeoutMs,
} from '../support/killed-worker.ts';
import { startProcess } from '../support/processes.ts';
import type { WorkerWorld } from '../support/running-worker.ts';

/** What it came to, once nothing is left to do. */
async function outcomeOf(world: WorkerWorld) {
  await world.deliver(killedBodies);
  const effects = await eventually(
    async () => {
      const found = await effectsOf(world);
      expect(new Set(found.runs)).toEqual(new Set(['done']));
      expect(found.events.map(({ state }) => state)).not.toContain('received');
      expect(found.unnumbered).toBe(0);
      return found;
    },
    { timeoutMs: settleTimeoutMs, everyMs: 100 },
  );
  return { events: effects.events, tables: await readComparableTables(world.test.database) };
}

it(
  'a worker of the former version, on the new schema, leaves the rows that a new one leaves',
  async (context) => {
    const former = checkOutFormerVersion();
    if (former === null) return context.skip('needs the git history');
    context.onTestFinished(() => former.remove());
    const [before, after] = [await killedWorld(context), await killedWorld(context)];
    await after.start();
    const expected = await outcomeOf(after);
    const role = startProcess({
      command: [
        process.execPath,
        '--import',
        path.join(former.dir, 'src/require-node.js'),
        path.join(former.dir, 'src/main-worker.ts'),
      ],
      cwd: former.dir,
      env: { ...before.env, OPS_PORT: '0' },
    });
    context.onTestFinished(() => killAndWait(role));
    expect(await outcomeOf(before)).toEqual(expected);
    expect(expected.tables['transactions']).not.toEqual([]);
  },
  2 * settleTimeoutMs,
);
