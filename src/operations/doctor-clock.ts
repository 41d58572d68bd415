// `ops -- doctor`: whether this machine's clock agrees with the clocks it is compared with: certificates, retention
// and the order of events go by them.
import { ok, problem, skipped, warning, type DoctorFinding } from './doctor-finding.ts';

export interface ComparedClock {
  /** Whose clock: "Postgres". */
  readonly whose: string;
  /** How far it is ahead of this machine's. */
  readonly aheadMs: number;
}

/** An answer that took longer tells no time. */
const longestMs = 5_000;

/** The time here when somebody else said theirs: half way, or null where that may be far off. */
export async function timed<Answer>(
  ask: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly askedAtMs: number | null }> {
  const beforeMs = Date.now();
  const answer = await ask();
  const tookMs = Date.now() - beforeMs;
  return { answer, askedAtMs: tookMs < 0 || tookMs > longestMs ? null : beforeMs + tookMs / 2 };
}

/** Clocks that differ by less are as good as equal. */
const warningFromMs = 10_000;
/** From here on certificates and tokens are refused that are still good. */
const problemFromMs = 120_000;

export function judgeClock(clocks: readonly ComparedClock[], now: Date): DoctorFinding {
  const here = `it is ${now.toISOString()} here`;
  if (clocks.length === 0) return skipped('clock', `${here}; there was no other clock to compare it with`);
  const told = clocks.map(({ whose, aheadMs }) => `${whose} ${offsetText(aheadMs)}`).join(', ');
  const worst = Math.max(...clocks.map(({ aheadMs }) => Math.abs(aheadMs)));
  const message = `${here}; ${told}`;
  if (worst < warningFromMs) return ok('clock', message);
  const cure =
    'Set the clocks by NTP, on the machine that is wrong: see `timedatectl` or `chronyc tracking`.';
  return worst < problemFromMs ? warning('clock', { message, cure }) : problem('clock', { message, cure });
}

function offsetText(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (seconds < 2) return 'agrees';
  return `is ${seconds} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}
