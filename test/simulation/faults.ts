// What goes wrong in one history, when and for how long, all of it drawn from the seed.
import type { ReceiverRole, Role, World } from './roles.ts';

export interface Faults {
  /** To be called between any two steps: a process may die here. */
  betweenSteps(): void;
  /** Everything is well from now on, and every process runs. */
  heal(): void;
}

interface FaultOptions {
  readonly world: World;
  readonly receivers: readonly ReceiverRole[];
  readonly workers: readonly Role[];
  readonly windowMs: number;
  /** Instead of chance: the one process that dies, and after how many steps. */
  readonly crashAt?: { readonly role: 'receiver' | 'worker'; readonly step: number } | undefined;
}

interface Fault {
  readonly name: string;
  readonly begin: () => void;
  readonly end?: () => void;
}

const mostCrashes = 8;
const longestRestartMs = 20_000;
const refusedForMs = 200_000;

export function planFaults(options: FaultOptions): Faults {
  const { world, receivers, workers, windowMs, crashAt } = options;
  const { schedule, redis, postgres } = world;
  const { random } = schedule;
  const roles: readonly Role[] = [...receivers, ...workers];
  const crashChance = crashAt === undefined ? random.pick([0, 0, 0.003, 0.01, 0.04]) : 0;
  let crashes = 0;
  let steps = 0;
  let healed = false;

  function crash(role: Role): void {
    if (healed || !role.isRunning()) return;
    schedule.note(`CRASH ${role.name}`);
    role.crash();
    const inMs = random.chance(0.5) ? random.integer(0, 50) : random.integer(0, longestRestartMs);
    schedule.plan({ inMs, what: `START ${role.name}`, run: () => role.start() });
  }

  function possibleFaults(): Fault[] {
    const disk = random.pick(receivers).disk;
    return [
      { name: 'a receiver dies', begin: () => crash(random.pick(receivers)) },
      { name: 'a worker dies', begin: () => crash(random.pick(workers)) },
      { name: 'Redis away', begin: () => redis.setState('down'), end: () => redis.setState('up') },
      { name: 'Redis frozen', begin: () => redis.setState('frozen'), end: () => redis.setState('up') },
      { name: 'Redis emptied', begin: () => redis.flush() },
      { name: 'Redis fails over', begin: () => redis.snapshot(), end: () => redis.failOver() },
      { name: 'Redis loses answers', begin: () => (redis.losing = 0.3), end: () => (redis.losing = 0) },
      {
        name: 'locks are lost',
        begin: () => (redis.forgettingLocks = 0.7),
        end: () => (redis.forgettingLocks = 0),
      },
      { name: 'Postgres away', begin: () => postgres.setState('down'), end: () => postgres.setState('up') },
      {
        name: 'Postgres frozen',
        begin: () => postgres.setState('frozen'),
        end: () => postgres.setState('up'),
      },
      {
        name: 'Postgres loses answers',
        begin: () => (postgres.losing = 0.2),
        end: () => (postgres.losing = 0),
      },
      { name: 'fsync fails', begin: () => (disk.faults.failing = 0.5), end: () => (disk.faults.failing = 0) },
      {
        name: 'the disk hangs',
        begin: () => (disk.faults.hangMs = 4_000),
        end: () => (disk.faults.hangMs = 0),
      },
    ];
  }

  function at(inMs: number, what: string, run: () => void): void {
    schedule.plan({ inMs, what, run: () => (healed ? undefined : run()) });
  }

  function plan({ name, begin, end }: Fault): void {
    const startMs = random.integer(0, windowMs);
    const lastsMs = random.pick([100, 1_000, 3_000, 20_000, 60_000]);
    at(startMs, `FAULT ${name}`, begin);
    if (end !== undefined) at(startMs + random.integer(1, lastsMs), `OVER ${name}`, end);
  }

  // Long enough for a batch to have spent all its attempts.
  if (windowMs >= refusedForMs)
    at(random.integer(0, 20_000), 'FAULT batches are refused', () => {
      postgres.deniedTable = 'intake_batches';
    });
  if (crashAt === undefined) {
    const count = random.integer(0, 6);
    for (let number = 0; number < count; number += 1) plan(random.pick(possibleFaults()));
  }

  return {
    betweenSteps() {
      steps += 1;
      const doomed = crashAt?.role === 'worker' ? workers : receivers;
      if (crashAt?.step === steps) for (const role of doomed) crash(role);
      if (crashes >= mostCrashes || !random.chance(crashChance)) return;
      crashes += 1;
      crash(random.pick(roles));
    },
    heal() {
      healed = true;
      schedule.note('HEALED');
      Object.assign(redis, { losing: 0, forgettingLocks: 0 });
      Object.assign(postgres, { losing: 0, deniedTable: null });
      for (const { disk } of receivers) Object.assign(disk.faults, { failing: 0, hangMs: 0 });
      redis.setState('up');
      postgres.setState('up');
      for (const role of roles) role.start();
    },
  };
}
