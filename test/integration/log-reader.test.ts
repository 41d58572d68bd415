// A reader of the log that stops reading: the process goes on, and ends when it is told to.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { endsWithin } from '../../src/core/deadline.ts';
import { receiverSettings } from '../support/receiver-settings.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Of a thousand bytes each: more than a pipe holds. */
const manyLines = '4000';
const shutdownBoundMs = 4_000;
const startBoundMs = 20_000;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(...args: string[]) {
  const settings = await receiverSettings();
  closers.push(() => settings.remove());
  const child = spawn(
    process.execPath,
    ['--import', './src/require-node.js', 'test/support/stalled-role.ts', ...args],
    { cwd: root, env: { PATH: '/usr/bin:/bin', ...settings.env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(child, 'exit');
  closers.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return { child, exited };
}

it('lets the process end in time on SIGTERM when nobody reads its log any more', async () => {
  const { child, exited } = await start(manyLines);
  await once(child.stderr, 'data');
  child.kill('SIGTERM');
  expect(await endsWithin(exited, shutdownBoundMs)).toBe(true);
  expect(await exited).toEqual([0, null]);
});

it('lets a start that failed end in time when nobody reads its log', async () => {
  const { exited } = await start(manyLines, 'fail');
  expect(await endsWithin(exited, startBoundMs)).toBe(true);
  expect(await exited).toEqual([1, null]);
});

it('has every line up to the last one for a reader that is only slow', async () => {
  const { child } = await start(manyLines);
  await once(child.stderr, 'data');
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await closed;
  const events = text
    .trimEnd()
    .split('\n')
    .map((line) => String(JSON.parse(line).msg));
  expect(events.filter((event) => event === 'config_warning')).toHaveLength(Number(manyLines));
  expect(events.at(-1)).toBe('shutdown');
});
