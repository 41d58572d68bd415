// The time of day of a process as something a test can turn, by libfaketime. Changes no clock but that of processes which
// were started with its settings.
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';

export interface FakeClock {
  /** For the environment of a process. */
  readonly env: Readonly<Record<string, string>>;
  /** Such as `+1d` or `-1y`, from the true time. */
  set(offset: string): Promise<void>;
}

/** The one for programs of several threads: in our roles all of them ask for the time. */
const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));

/** Right at first. Skips the test by name where there is no faketime; ends with the test. */
export async function openFakeClock(context: TestContext): Promise<FakeClock> {
  context.skip(library === undefined, 'needs faketime');
  const dir = await mkdtemp(path.join(tmpdir(), 'clock-'));
  context.onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = path.join(dir, 'offset');
  /** In one go: whoever asks for the time in between must not find an empty file. */
  async function set(offset: string): Promise<void> {
    await writeFile(`${file}.next`, offset);
    await rename(`${file}.next`, file);
  }
  await set('+0');
  const env = {
    LD_PRELOAD: library ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    // A jump of the time of day, as an operator or a time server makes it; durations go on.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  return { env, set };
}
