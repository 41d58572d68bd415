// Reads a moment as an operator types it: `2026-11-20`, `2026-11-20T08:00:00Z`, or how long ago: `90m`, `24h`, `7d`.
// Never guesses a time zone: a time of day without one is refused, a day alone begins in UTC.
import { parseInstant } from '../core/instant.ts';
import { UsageError, type CommandCall } from './operator-command.ts';

const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Undefined when the option is not given. Throws UsageError. */
export function timeOption({ values }: CommandCall, option: { name: string; now: Date }): Date | undefined {
  const { name, now } = option;
  const text = values[name];
  if (text === undefined) return undefined;
  const ago = /^(\d{1,5})([mhd])$/.exec(text);
  if (ago) {
    const [, count, unit] = ago;
    const ms = unit === 'm' || unit === 'h' || unit === 'd' ? unitMs[unit] : 0;
    return new Date(now.getTime() - Number(count) * ms);
  }
  const instant = parseInstant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (instant === null)
    throw new UsageError(`--${name} takes 2026-11-20, 2026-11-20T08:00:00Z, or how long ago: 90m, 24h, 7d`);
  return new Date(instant.at);
}
