// The time of day as text for whoever prints it thousands of times a second. Never reads a clock, and never reads text.

let secondsOf = Number.NaN;
let upToSeconds = '';

/** ISO 8601, UTC, milliseconds, as `Date` prints it; a busy second is printed once. */
export function isoTime(msSince1970: number): string {
  const seconds = Math.floor(msSince1970 / 1_000);
  if (seconds !== secondsOf) {
    upToSeconds = new Date(seconds * 1_000).toISOString().slice(0, -'000Z'.length);
    secondsOf = seconds;
  }
  return `${upToSeconds}${String(msSince1970 - seconds * 1_000).padStart(3, '0')}Z`;
}
