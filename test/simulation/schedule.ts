// The simulated world's time: everything that can happen waits in one list, and chance, drawn from one seed, says in
// what order it does. Never a real timer and never real input, so that one seed gives one history.
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/core/clock.ts';
import { createRandom, type Random } from '../simulator/random.ts';

/** One life of a process: what it waits for dies with it. */
export interface Life {
  readonly name: string;
  isOver(): boolean;
  end(): void;
  /** Called once, when it ends. */
  onEnd(run: () => void): void;
}

export interface Happening {
  readonly inMs: number;
  readonly what: string;
  /** Does not happen once this life is over. */
  readonly life?: Life | undefined;
  readonly run: () => void;
}

export interface Schedule {
  readonly random: Random;
  nowMs(): number;
  /** Whole milliseconds, mostly short, sometimes long; what decides which of several waiting answers comes first. */
  latencyMs(): number;
  /** The function it returns takes it back. */
  plan(happening: Happening): () => void;
  /** Time as the code of one process sees it. */
  clockOf(life: Life): Clock;
  note(line: string): void;
  /** Lets the next thing happen, and then everything that follows from it at once; false when nothing is left. */
  step(): Promise<boolean>;
  steps(): number;
  history(): readonly string[];
  historyHash(): string;
}

interface Planned extends Happening {
  readonly atMs: number;
  /** Breaks ties by chance. */
  readonly order: number;
  isTakenBack: boolean;
}

export function startLife(name: string): Life {
  let over = false;
  const ends: (() => void)[] = [];
  return {
    name,
    isOver: () => over,
    end() {
      if (over) return;
      over = true;
      for (const run of ends) run();
    },
    onEnd: (run) => void ends.push(run),
  };
}

export function createSchedule(seed: string): Schedule {
  const random = createRandom(seed);
  const heap = createHeap();
  const history: string[] = [];
  /** Each world has a pace of its own: in some everything is near, in some answers overtake each other. */
  const spreadMs = random.pick([1, 1, 10, 100, 800]);
  let nowMs = 0;
  let steps = 0;

  function plan(happening: Happening): () => void {
    const atMs = nowMs + Math.max(0, Math.round(happening.inMs));
    const planned: Planned = { ...happening, atMs, order: random.next(), isTakenBack: false };
    heap.push(planned);
    return () => {
      planned.isTakenBack = true;
    };
  }

  return {
    random,
    nowMs: () => nowMs,
    latencyMs: () => (random.chance(0.05) ? random.integer(0, 20 * spreadMs) : random.integer(0, spreadMs)),
    plan,
    clockOf: (life) => ({
      nowMs: () => nowMs,
      after: (ms, run) => plan({ inMs: ms, what: `${life.name} timer`, life, run }),
    }),
    note: (line) => void history.push(`${nowMs} ${line}`),
    async step() {
      const next = heap.pop();
      if (next === undefined) return false;
      if (next.isTakenBack || next.life?.isOver() === true) return true;
      nowMs = next.atMs;
      steps += 1;
      history.push(`${nowMs} ${next.what}`);
      next.run();
      // Every continuation of what has just been answered runs before the next answer comes.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      return true;
    },
    steps: () => steps,
    history: () => history,
    historyHash: () => createHash('sha256').update(history.join('\n')).digest('hex'),
  };
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs;
}

/** A binary heap: the earliest first. */
function createHeap() {
  const items: Planned[] = [];

  function swap(one: number, other: number): void {
    const [left, right] = [items[one], items[other]];
    if (left === undefined || right === undefined) return;
    items[one] = right;
    items[other] = left;
  }

  function goesBefore(one: number, other: number): boolean {
    const [left, right] = [items[one], items[other]];
    return left !== undefined && right !== undefined && isBefore(left, right);
  }

  function sink(from: number): void {
    let at = from;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (goesBefore(child, least)) least = child;
      if (least === at) return;
      swap(at, least);
      at = least;
    }
  }

  return {
    push(item: Planned): void {
      items.push(item);
      for (let at = items.length - 1; at > 0;) {
        const parent = (at - 1) >> 1;
        if (!goesBefore(at, parent)) return;
        swap(at, parent);
        at = parent;
      }
    },
    pop(): Planned | undefined {
      swap(0, items.length - 1);
      const first = items.pop();
      sink(0);
      return first;
    },
  };
}
