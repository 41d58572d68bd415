// How long the journal has room for at the rate at which it fills. Looks back a bounded time, so that an hour of quiet
// does not hide the minute in which Redis went away; never says "never" of a journal that is full.

/** From here on deliveries are refused, so that what is being written still finds room. */
export const journalFullShare = 0.9;

export interface FillSample {
  /** Of a clock that never goes back. */
  readonly atMs: number;
  readonly bytes: number;
}

export interface FillWindow {
  add(sample: FillSample): void;
  /** 0 when it is full, Infinity while it does not grow. */
  secondsUntilFull(limitBytes: number): number;
}

/** Longer than the ups and downs of the log. The last minute alone is looked at too, for an outage that has just begun. */
const windowMs = 300_000;
const recentMs = 60_000;
/** One a second would be 300; the rest is for a timer that runs early. */
const samplesLimit = 400;

export function createFillWindow(): FillWindow {
  const samples: FillSample[] = [];
  return {
    add(sample) {
      samples.push(sample);
      const oldest = sample.atMs - windowMs;
      while (samples.length > samplesLimit || (samples[0]?.atMs ?? Infinity) < oldest) samples.shift();
    },
    secondsUntilFull(limitBytes) {
      const recently = (samples.at(-1)?.atMs ?? 0) - recentMs;
      const recent = samples.filter(({ atMs }) => atMs >= recently);
      return Math.min(secondsUntilFull(samples, limitBytes), secondsUntilFull(recent, limitBytes));
    },
  };
}

/** By the first and the last sample, oldest first; see FillWindow. */
export function secondsUntilFull(samples: readonly FillSample[], limitBytes: number): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return Infinity;
  const room = journalFullShare * limitBytes - last.bytes;
  if (room <= 0) return 0;
  const [grown, seconds] = [last.bytes - first.bytes, (last.atMs - first.atMs) / 1_000];
  return grown > 0 && seconds > 0 ? room / (grown / seconds) : Infinity;
}
