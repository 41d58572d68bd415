// Keeps a receiver from handing its deliveries to another application's workers: the installation's id that its
// journal first saw is the only one it forwards to. Acknowledging goes on whatever this says.
import type { Clock } from '../core/clock.ts';
import type { ForwarderJournal, ForwarderListener, ForwarderQueue } from './forwarder-ports.ts';

interface InstallationGuardOptions {
  readonly journal: Pick<ForwarderJournal, 'readInstallation' | 'writeInstallation'>;
  readonly queue: Pick<ForwarderQueue, 'readInstallation'>;
  readonly onEvent: ForwarderListener;
  readonly clock: Clock;
}

export interface InstallationGuard {
  /** Asks Redis at most every 30 s while all is well. Throws what the journal or the queue throws. */
  allows(): Promise<boolean>;
  isWrong(): boolean;
  /** The next `allows` asks again: what answers after an outage may be another Redis. */
  forget(): void;
}

const believedForMs = 30_000;

export function createInstallationGuard({
  journal,
  queue,
  onEvent,
  clock,
}: InstallationGuardOptions): InstallationGuard {
  let checkedAt = -Infinity;
  let wrong: string | null = null;

  return {
    async allows() {
      if (wrong === null && clock.nowMs() - checkedAt < believedForMs) return true;
      const found = await queue.readInstallation();
      const expected = await journal.readInstallation();
      if (found !== null && expected === null) await journal.writeInstallation(found);
      checkedAt = clock.nowMs();
      // Emptied, it is still another application's: its workers will be back before ours are.
      if (found === null && wrong !== null) return false;
      // No worker has published it yet, or Redis was emptied: nothing speaks against forwarding.
      if (found === null || expected === null || found === expected) {
        wrong = null;
        return true;
      }
      if (wrong !== found) onEvent({ kind: 'wrong_installation', expected, found });
      wrong = found;
      return false;
    },
    isWrong: () => wrong !== null,
    forget() {
      checkedAt = -Infinity;
    },
  };
}
