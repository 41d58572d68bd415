// When deliveries arrive in the open model: independent of each other and of every answer. Pure; the same seed gives the
// same times.
import { createRandom } from '../simulator/random.ts';

/** Milliseconds after the start, ascending, of a Poisson process. */
export function poissonArrivals(options: {
  readonly ratePerSecond: number;
  readonly forMs: number;
  readonly seed: string;
}): Float64Array {
  const { ratePerSecond, forMs, seed } = options;
  const random = createRandom(seed);
  const meanMs = 1_000 / ratePerSecond;
  const times: number[] = [];
  for (let atMs = 0; ;) {
    // 1 - next() is above 0, so that the logarithm is finite.
    atMs += -Math.log(1 - random.next()) * meanMs;
    if (atMs >= forMs) return Float64Array.from(times);
    times.push(atMs);
  }
}
