// What is done to receivers and workers. Nothing here looks at what the service makes of it.
import { traceJournal } from '../support/faults-strace.ts';
import { hasTool } from '../support/faults-tools.ts';
import type { Fault, FaultContext } from './fault.ts';
import type { Member } from './stage.ts';

/** Well below JOURNAL_DEADLINE_MS: deliveries are still answered 200, after it. */
const slowSyncMicroseconds = 400_000;

const anyRole: readonly Fault[] = (['receiver', 'worker'] as const).flatMap((role): Fault[] => {
  const anyOf = ({ stage, random }: FaultContext): Member =>
    random.pick(role === 'receiver' ? stage.receivers : stage.workers);
  return [
    {
      kind: `${role} SIGKILL`,
      on: role,
      async run(context) {
        const member = anyOf(context);
        member.process().kill('SIGKILL');
        await member.process().exited;
        await context.hold(0, 3_000);
        await member.start();
      },
    },
    {
      kind: `${role} SIGTERM`,
      on: role,
      async run(context) {
        const member = anyOf(context);
        member.process().kill('SIGTERM');
        const { code, signal } = await member.process().exited;
        if (code !== 0) throw new Error(`${member.name} ended with ${code ?? signal} on SIGTERM`);
        await member.start();
      },
    },
    {
      kind: `${role} frozen`,
      on: role,
      async run(context) {
        const process = anyOf(context).process();
        process.kill('SIGSTOP');
        await context.hold(500, 6_000);
        process.kill('SIGCONT');
      },
    },
  ];
});

/** Its last moments are long ones: much is written and not yet synced when it dies. Slowed down by strace where there is one. */
const receiverOnSlowDisk: Fault = {
  kind: 'receiver SIGKILL on a slow disk',
  on: 'receiver',
  async run({ stage, random, hold }) {
    const member = random.pick(stage.receivers);
    const process = member.process();
    const calls = 'fsync,fdatasync';
    const tracing = await traceJournal(process.pid, [
      `trace=${calls}`,
      `inject=${calls}:delay_enter=${slowSyncMicroseconds}`,
    ]);
    await hold(1_000, 3_000);
    process.kill('SIGKILL');
    await process.exited;
    await tracing.detach();
    await member.start();
  },
};

/** Longer than a job's lock lasts, so that another worker takes the job over while the first still holds it. */
const workerPastLock: Fault = {
  kind: 'worker frozen past its locks',
  on: 'worker',
  async run({ stage, random, hold }) {
    const process = random.pick(stage.workers).process();
    process.kill('SIGSTOP');
    await hold(17_000, 22_000);
    process.kill('SIGCONT');
  },
};

export const roleFaults: readonly Fault[] = [
  ...anyRole,
  ...(hasTool('strace') ? [receiverOnSlowDisk] : []),
  workerPastLock,
];
