// One history: a world made from a seed, lived through its faults, healed, drained and judged.
import { StatementTimeout } from '../../src/store/statement-limit.ts';
import { createChecker } from './checker.ts';
import { planFaults } from './faults.ts';
import { createModelDisk } from './model-journal.ts';
import { startModelLean } from './model-lean.ts';
import { createModelPostgres } from './model-postgres.ts';
import { createModelRedis } from './model-redis.ts';
import { createReceiverRole, createWorkerRole, type World } from './roles.ts';
import { createSchedule } from './schedule.ts';

export interface History {
  readonly seed: string;
  /** Empty where every promise held. */
  readonly violations: readonly string[];
  readonly lines: readonly string[];
  readonly hash: string;
  readonly steps: number;
  /** Answered 200. */
  readonly acknowledged: number;
  readonly crashes: number;
}

export interface HistoryOptions {
  readonly seed: string;
  /** No other fault: this role dies after so many steps. */
  readonly crashAt?: { readonly role: 'receiver' | 'worker'; readonly step: number };
}

/** Lean's last repeat comes after three hours; what has not drained an hour later never will. */
const longestMs = 4 * 3_600_000;
const mostSteps = 100_000;
const looksEverySteps = 10;
/** Mostly short, since what goes wrong mostly goes wrong within moments; a batch only fails for good in the longest. */
const windowsMs = [100, 300, 1_000, 2_000, 5_000, 5_000, 10_000, 20_000, 30_000, 60_000, 90_000, 300_000];

export async function liveThrough({ seed, crashAt }: HistoryOptions): Promise<History> {
  const schedule = createSchedule(seed);
  const { random } = schedule;
  const violations: string[] = [];
  const violate = (what: string) => {
    if (!violations.includes(what)) violations.push(what);
    schedule.note(`VIOLATION ${what}`);
  };
  const checker = createChecker(violate);
  const redis = createModelRedis(schedule);
  const postgres = createModelPostgres({
    schedule,
    onCommitted: (change) => checker.onCommitted(change),
    timedOut: () => new StatementTimeout('no answer'),
  });
  const world: World = { schedule, redis, postgres, violate };
  const calm = crashAt !== undefined;
  const windowMs = calm ? 100 : random.pick(windowsMs);
  // In a long history, looks that find nothing would be most of it.
  const pollMs = windowMs > 10_000 ? 5_000 : 1_000;
  const receivers = Array.from({ length: calm ? 1 : random.integer(1, 2) }, (_, index) => {
    const name = `receiver ${index + 1}`;
    const disk = createModelDisk({ schedule, name, onReleased: (row) => checker.onReleased(row) });
    const waitsForStore = random.chance(0.2);
    const maxOutstanding = random.pick([1, 2, 16]);
    return createReceiverRole(world, { name, disk, waitsForStore, maxOutstanding, pollMs });
  });
  const workers = Array.from({ length: calm ? 1 : random.integer(1, 2) }, (_, index) =>
    createWorkerRole(world, `worker ${index + 1}`),
  );
  for (const role of [...receivers, ...workers]) role.start();
  let acknowledged = 0;
  const lean = startModelLean({
    schedule,
    receivers,
    events: calm ? 4 : random.integer(1, 3),
    windowMs,
    onAcknowledged(one) {
      acknowledged += 1;
      checker.onAcknowledged(one);
    },
  });
  const faults = planFaults({ world, receivers, workers, windowMs, crashAt });
  const healing = { inMs: windowMs + random.integer(0, 5_000), what: 'the end of all faults' };
  let isHealed = false;
  schedule.plan({
    ...healing,
    run() {
      faults.heal();
      isHealed = true;
    },
  });

  const isEmpty = () =>
    receivers.every(({ disk }) => disk.synced().rows.length === 0) &&
    postgres.committed('webhook_events').every((row) => row['concluded_at'] !== null);

  const isDrained = () => lean.isDone() && isEmpty();

  for (let steps = 1; steps <= mostSteps && schedule.nowMs() < longestMs; steps += 1) {
    if (!(await schedule.step())) break;
    faults.betweenSteps();
    if (!isHealed || steps % looksEverySteps !== 0 || !isEmpty()) continue;
    if (lean.isDone()) break;
    lean.hurry();
  }
  if (isDrained()) checker.checkEnd(lean.groups, postgres);
  else violate(`it does not drain within ${longestMs} ms and ${mostSteps} steps`);
  const lines = schedule.history();
  const crashes = lines.filter((line) => line.includes(' CRASH ')).length;
  const [hash, steps] = [schedule.historyHash(), schedule.steps()];
  return { seed, violations, lines, hash, steps, acknowledged, crashes };
}
