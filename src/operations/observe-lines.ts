// Which of the observer's callers get lines of their own, so that a flood of strangers neither scrolls Lean away nor uses
// up --count. Never leaves out a caller whose signature is valid, and counts everybody.

/** Of one kind, in each minute. */
const linesPerMinute = 20;
const minuteMs = 60_000;

interface ObserverLines {
  /** null: no line for this one. Else how many of this kind had none since the last that had one. */
  take(kind: string): number | null;
  /** Of all kinds, since the start. */
  leftOut(): number;
}

interface Kind {
  minuteEndsMs: number;
  taken: number;
  leftOut: number;
}

/** Kinds are from a closed list. `now`: milliseconds of a clock that only goes forward. */
export function createObserverLines(now: () => number = () => performance.now()): ObserverLines {
  const kinds = new Map<string, Kind>();
  let leftOut = 0;

  return {
    take(name) {
      const nowMs = now();
      const kind = kinds.get(name) ?? { minuteEndsMs: nowMs + minuteMs, taken: 0, leftOut: 0 };
      kinds.set(name, kind);
      if (nowMs >= kind.minuteEndsMs) {
        kind.minuteEndsMs = nowMs + minuteMs;
        kind.taken = 0;
      }
      if (kind.taken === linesPerMinute) {
        kind.leftOut += 1;
        leftOut += 1;
        return null;
      }
      kind.taken += 1;
      const before = kind.leftOut;
      kind.leftOut = 0;
      return before;
    },
    leftOut: () => leftOut,
  };
}
