// Waiting for something to become so, bounded.
import { setTimeout as delay } from 'node:timers/promises';

export interface Until {
  /** For the error when it never is. */
  readonly what: string;
  readonly timeoutMs: number;
  /** 20 when left out. */
  readonly everyMs?: number;
}

export async function until(
  isSo: () => boolean | Promise<boolean>,
  { what, timeoutMs, everyMs = 20 }: Until,
): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > endsAt) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await delay(everyMs);
  }
}

/** A whole number from the environment, for whoever wants a scenario longer or shorter than it is. */
export function sizeOf(name: `BENCH_${string}`, usual: number): number {
  // oxlint-disable-next-line node/no-process-env -- of whoever runs the benchmark, as the choice of scenarios is
  const text = process.env[name];
  const size = Number(text ?? usual);
  if (!Number.isInteger(size) || size < 1) throw new Error(`${name} takes a whole number`);
  return size;
}
