// What an acceptance run says at its end: two tables, the first differences by table, field and key, and the verdict.
// Shows amounts and ids of invented customers, never anybody else's row.
import { textTable } from '../../src/core/text-table.ts';
import type { ComparedTable } from './acceptance-compare.ts';
import type { DeliveryRecord } from './webhook-sender.ts';

export interface AcceptanceResult {
  readonly say: (line: string) => void;
  /** To Lean's API. */
  readonly calls: number;
  readonly history: readonly DeliveryRecord[];
  readonly forged: DeliveryRecord;
  readonly tables: readonly ComparedTable[];
  readonly isSettled: boolean;
}

const shownDifferences = 10;
const hintNoCalls = 'no worker has called this Lean, so look at its LEAN_API_URL and at its log';
const hintSlow = 'raise --seconds, or LEAN_RATE_LIMIT_PER_SECOND of the workers';

/** Whether everything is as Lean has it. */
export function reportAcceptance(result: AcceptanceResult): boolean {
  const { say, calls, history, forged, tables, isSettled } = result;
  const acked = history.filter((record) => record.acked);
  const times = acked.map(({ attempts }) => attempts.at(-1)?.ms ?? 0).toSorted((one, other) => one - other);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const unique = new Set(history.map(({ eventId }) => eventId)).size;
  const isRefused = forged.attempts.at(-1)?.status === 401;
  const differences = tables.flatMap((table) => table.differences);
  const facts = [
    ['webhooks sent', history.length],
    ['acknowledged', acked.length],
    ['of them duplicates', history.length - unique],
    ['ack p50, ms', at(0.5)],
    ['ack p99, ms', at(0.99)],
    ['forged and refused', isRefused ? '1 of 1' : '0 of 1'],
    ['calls to Lean', calls],
  ] as const;
  say(`\n${textTable(facts.map(([what, value]) => ({ what, value: String(value) })))}\n`);
  const compared = tables.map(({ table, rows, fields, differences: found }) => ({
    table,
    rows: String(rows),
    fields: String(fields),
    differences: String(found.length),
  }));
  say(`${textTable(compared)}\n`);
  for (const { field, key, held, expected } of differences.slice(0, shownDifferences))
    say(`DIFFERS  ${field}: ${held ?? 'null'} where Lean has ${expected ?? 'null'} (${key})`);
  if (differences.length > shownDifferences) say(`and ${differences.length - shownDifferences} more`);
  if (!isSettled) say(`not settled in time: ${calls === 0 ? hintNoCalls : hintSlow}`);
  const isRight = isSettled && isRefused && acked.length === history.length && differences.length === 0;
  say(isRight ? 'ACCEPTED: every field is as Lean has it' : 'NOT ACCEPTED');
  return isRight;
}
