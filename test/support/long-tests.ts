// What only the nightly run has time for: the further cases of a guarantee of which every run proves one or two.

/** LONG_TESTS=1, as .ci/nightly sets it. */
// oxlint-disable-next-line node/no-process-env -- it is of the whole run, as the choice of engines is
export const longTests = process.env['LONG_TESTS'] === '1';

/** The cases of every run, and in a long one those behind them as well. */
export function casesOf<Case>(always: readonly Case[], more: readonly Case[]): readonly Case[] {
  return longTests ? [...always, ...more] : always;
}
