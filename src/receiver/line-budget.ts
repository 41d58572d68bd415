// How many log lines of one kind may be written in a time, so that a flood of strangers does not flood the log.
// Never counts for the metrics: those count everything.

export interface LineBudgetOptions {
  /** Lines of one kind at once. */
  readonly burst: number;
  /** Then one per this time. */
  readonly everyMs: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** Of one kind: strangers decide how often they try, not how long our log becomes. */
export const strangersLines: LineBudgetOptions = { burst: 60, everyMs: 1_000 };

export interface LineBudget {
  /** null: write no line. Else how many of this kind had no line since the last that had one. */
  spend(kind: string): number | null;
}

interface Kind {
  left: number;
  countedMs: number;
  unlogged: number;
}

/** Kinds are from a closed list: each of them is remembered for good. */
export function createLineBudget(options: LineBudgetOptions): LineBudget {
  const { burst, everyMs, now = () => performance.now() } = options;
  const kinds = new Map<string, Kind>();

  function refilled(name: string): Kind {
    const nowMs = now();
    const kind = kinds.get(name) ?? { left: burst, countedMs: nowMs, unlogged: 0 };
    kinds.set(name, kind);
    const earned = Math.floor((nowMs - kind.countedMs) / everyMs);
    kind.left = Math.min(burst, kind.left + earned);
    kind.countedMs += earned * everyMs;
    return kind;
  }

  return {
    spend(name) {
      const kind = refilled(name);
      if (kind.left === 0) {
        kind.unlogged += 1;
        return null;
      }
      kind.left -= 1;
      const { unlogged } = kind;
      kind.unlogged = 0;
      return unlogged;
    },
  };
}
