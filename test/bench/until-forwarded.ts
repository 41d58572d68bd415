// Waits until a receiver has nothing left in its journal, by its own metrics. Bounded, as everything that waits.
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './waits.ts';

/** The receiver measures itself once a second; what it says may be as old as that. */
const measuredEveryMs = 1_000;
const lookMs = 100;
const limitMs = 300_000;

export async function untilForwarded(opsUrl: string): Promise<void> {
  await delay(measuredEveryMs + lookMs);
  const isEmpty = async (): Promise<boolean> => (await journalRows(opsUrl)) === 0;
  await until(isEmpty, { what: 'the journal to be empty', timeoutMs: limitMs, everyMs: lookMs });
}

export async function journalRows(opsUrl: string): Promise<number> {
  const answer = await fetch(new URL('/metrics', opsUrl), { signal: AbortSignal.timeout(10_000) });
  const [, rows] = /^lean_journal_rows (\d+)$/m.exec(await answer.text()) ?? [];
  if (rows === undefined) throw new Error('the receiver does not say how much is in its journal');
  return Number(rows);
}
