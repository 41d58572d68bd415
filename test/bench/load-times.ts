// How long one subject is loaded in one round. Only numbers.
import type { BenchContext } from './scenario.ts';

interface LoadTimes {
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Enough for the time when left out. */
  readonly requests?: number;
}

const quickTimes: LoadTimes = { warmUpMs: 100, measureMs: 600, requests: 2_000 };

/** Deliveries until it goes at its own speed, then three seconds that count; in a quick run just enough to see it work. */
export function loadTimes({ quick }: Pick<BenchContext, 'quick'>): LoadTimes {
  return quick ? quickTimes : { warmUpMs: 1_000, measureMs: 3_000 };
}

/** At a fixed rate: so long that the slowest in a thousand are more than two or three. */
export function openTimes({ quick }: Pick<BenchContext, 'quick'>): LoadTimes {
  return quick ? quickTimes : { warmUpMs: 1_000, measureMs: 8_000 };
}
