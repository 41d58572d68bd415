// Time for code that waits: durations and timers, never a date. Handed in, so that a simulation can run hours in a
// moment and in an order of its choosing.

export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  nowMs(): number;
  /** Calls `run` once, `ms` milliseconds from now. The function it returns takes that back. */
  after(ms: number, run: () => void): () => void;
}

export const machineClock: Clock = {
  nowMs: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
