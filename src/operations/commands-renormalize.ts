// `npm run ops -- renormalize`: reads Lean's text of stored items anew with today's normalizer, without asking Lean.
// Shows what would differ before it writes anything; never fetches, and never brings back what was erased.
import { AppError } from '../core/app-error.ts';
import { normalizerVersion } from '../core/canonical.ts';
import { textTable } from '../core/text-table.ts';
import { zoneOfRegion } from '../lean/wire-v1.ts';
import { readKeyRing } from '../sealing/key-ring.ts';
import type { Database } from '../store/database.ts';
import { readRegion } from '../store/installation-store.ts';
import { countItems, type ItemChoice } from '../store/renormalize-read.ts';
import { renormalizedTables } from '../store/renormalized-tables.ts';
import { changeFlags, changeOptions, mayChange, operatorOf } from './operator-change.ts';
import {
  numberOption,
  refuseOperands,
  type CommandCall,
  type CommandGroup,
  type OperatorContext,
} from './operator-command.ts';
import { withOwnDatabase } from './operator-database.ts';
import { counted, safeJson } from './operator-output.ts';
import { timeOption } from './operator-times.ts';
import { applyAll, compareAll, type Scanned, type ScanOptions, type TableDiff } from './renormalize-items.ts';

const defaultBatch = 500;
const maxBatch = 5_000;

export const renormalizeCommands: CommandGroup = {
  renormalize: {
    usage: 'renormalize',
    does: "reads Lean's stored text anew with this version's normalizer; a dry run unless somebody agrees",
    options: {
      since:
        'only rows written from then on: 2026-11-20, 2026-11-20T08:00:00Z, or how long ago: 90m, 24h, 7d',
      batch: `items read at a time; ${defaultBatch} when left out`,
      ...changeOptions,
    },
    flags: {
      all: "rows of this version's normalizer too, to see that nothing of them differs",
      ...changeFlags,
    },
    run: runRenormalize,
  },
};

/** The exit code: 1 when it was stopped half way, or left what could not be read. */
async function runRenormalize(call: CommandCall, context: OperatorContext): Promise<number> {
  refuseOperands(call);
  const since = timeOption(call, { name: 'since', now: new Date() }) ?? null;
  const versions = call.flags.has('all') ? 'all' : 'former';
  const limit = numberOption(call, { name: 'batch', fallback: defaultBatch, min: 1, max: maxBatch });
  const isDry = call.flags.has('dry-run') || (context.terminal === undefined && !call.flags.has('yes'));
  const operator = isDry ? '' : operatorOf(call, context);
  return withOwnDatabase(context, async (database) => {
    const { PAYLOAD_KEYS: keysBase64, PAYLOAD_SEALING: sealing } = context.config;
    const choice = { versions, since } as const;
    const total = await countAll(database, choice);
    const options: ScanOptions = {
      ...choice,
      database,
      keyRing: readKeyRing({ keysBase64, sealing }),
      zone: await readZone(database),
      limit,
      stop: context.untilInterrupted(),
      onProgress: (items) =>
        context.terminal?.showProgress(`renormalize: ${items}${total === null ? '' : ` of ${total}`} items`),
    };
    const found = await compareAll(options);
    context.terminal?.showProgress('');
    if (isDry || found.isInterrupted || itemsOf(found) === 0) {
      say(call, context, { scanned: found, isDry: true });
      return exitOf(found);
    }
    if (!call.json) say(call, context, { scanned: found, isDry: true });
    const changed = found.tables.reduce((sum, diff) => sum + diff.changed, 0);
    if (!(await mayChange(call, context, `write ${counted(changed, ['changed item', 'changed items'])}?`))) {
      return 1;
    }
    const details = { normalizerVersion, ...(since && { since: since.toISOString() }) };
    const applied = await applyAll({ ...options, operator, details });
    context.terminal?.showProgress('');
    say(call, context, { scanned: applied, isDry: false });
    return exitOf(applied);
  });
}

/** Null where there are too many to be counted in time. */
async function countAll(database: Database, choice: Omit<ItemChoice, 'table'>): Promise<number | null> {
  let total = 0;
  for (const table of renormalizedTables) {
    const count = await countItems(database, { ...choice, table });
    if (count === null) return null;
    total += count;
  }
  return total;
}

async function readZone(database: Database): Promise<string> {
  const region = await readRegion(database);
  if (region === 'ae' || region === 'sa') return zoneOfRegion[region];
  throw new AppError('SCHEMA_OUTDATED', `schema ${database.schema} was migrated but not stamped`);
}

const itemsOf = ({ tables }: Scanned) => tables.reduce((sum, { items }) => sum + items, 0);

function exitOf({ tables, isInterrupted }: Scanned): number {
  return isInterrupted || tables.some(({ keyMissing, unreadable }) => keyMissing + unreadable > 0) ? 1 : 0;
}

interface Said {
  readonly scanned: Scanned;
  readonly isDry: boolean;
}

function say(
  { json }: CommandCall,
  { write }: OperatorContext,
  { scanned: { tables, isInterrupted }, isDry }: Said,
): void {
  if (json) {
    const shown = tables.map((diff) => ({ ...diff, columns: Object.fromEntries(diff.columns) }));
    write(safeJson({ dryRun: isDry, normalizerVersion, isInterrupted, tables: shown }));
    return;
  }
  const used = tables.filter(({ items }) => items > 0);
  if (used.length === 0) write(`nothing to do: every row is of normalizer ${normalizerVersion}`);
  else write(textTable(used.map((diff) => rowOf(diff, isDry))));
  if (isInterrupted) write(isDry ? 'interrupted' : 'interrupted; run it again to go on');
}

function rowOf({ table, items, changed, columns, keyMissing, unreadable }: TableDiff, isDry: boolean) {
  const names = [...columns].toSorted(([left], [right]) => (left < right ? -1 : 1));
  return {
    table,
    items: String(items),
    [isDry ? 'would_change' : 'changed']: String(changed),
    columns: names.map(([name, many]) => `${name} ${many}`).join(', '),
    key_missing: String(keyMissing),
    unreadable: String(unreadable),
  };
}
