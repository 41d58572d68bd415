// What every command that changes something has in common: who does it, whether they mean it, and how fast it goes.
// Never changes anything on a silent yes: without a terminal `--yes` must be given.
import { machineClock, type Clock } from '../core/clock.ts';
import { UsageError, type CommandCall, type OperatorContext } from './operator-command.ts';

export const changeOptions = {
  as: 'who does this, for lean.operator_log; the user of this system when left out',
} as const;

export const changeFlags = {
  'dry-run': 'says what would be changed and changes nothing',
  yes: 'does not ask first',
} as const;

const operatorPattern = /^[^\p{C}]{1,100}$/u;

/** Throws UsageError where nobody can be named. */
export function operatorOf({ values }: CommandCall, { operator }: Pick<OperatorContext, 'operator'>): string {
  const name = values['as'] ?? operator;
  if (name === undefined) throw new UsageError('say who you are: --as NAME');
  if (!operatorPattern.test(name)) throw new UsageError('--as takes a name of at most 100 characters');
  return name;
}

/** Whether to go on. Throws UsageError where nobody can be asked and `--yes` was not given. */
export async function mayChange(
  { flags }: CommandCall,
  { terminal, write }: OperatorContext,
  question: string,
): Promise<boolean> {
  if (flags.has('yes')) return true;
  if (terminal === undefined) throw new UsageError('nobody can be asked here: give --yes, or --dry-run');
  const answer = await terminal.ask(`${question} [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return true;
  write('nothing was changed');
  return false;
}

export interface PacedWork {
  readonly perSecond: number;
  /** How many in all; then it ends. */
  readonly total: number;
  /** Does at most so many and says how many; null when there is nothing more. */
  readonly step: (limit: number) => Promise<number | null>;
  readonly stop: AbortSignal;
  readonly onProgress: (done: number) => void;
  readonly clock?: Clock;
}

export interface PacedResult {
  readonly done: number;
  /** Stopped by the operator before its end. */
  readonly isInterrupted: boolean;
}

const secondMs = 1_000;

/** Never more than `perSecond` in a second. An interrupt lets the step under way end. */
export async function runPaced(work: PacedWork): Promise<PacedResult> {
  const { perSecond, total, step, stop, onProgress, clock = machineClock } = work;
  let done = 0;
  while (!stop.aborted) {
    const startedAt = clock.nowMs();
    const count = await step(Math.min(perSecond, total - done));
    if (count === null) return { done, isInterrupted: false };
    done += count;
    onProgress(done);
    if (done >= total) return { done, isInterrupted: false };
    if (count > 0) await pause({ clock, stop, ms: secondMs - (clock.nowMs() - startedAt) });
  }
  return { done, isInterrupted: true };
}

/** An interrupt ends it. */
export async function pause(wait: { clock: Clock; stop: AbortSignal; ms: number }): Promise<void> {
  const { clock, stop, ms } = wait;
  if (stop.aborted || ms <= 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  const cancel = clock.after(ms, end);
  stop.addEventListener('abort', end, { once: true });
  await promise;
  cancel();
  stop.removeEventListener('abort', end);
}
