// `npm run ops -- sync | refresh | sweep`: has data fetched anew, a bank asked again, or what was lost looked for. Writes
// what is wished and nothing else: every call to Lean is a worker's, under the one rate limit.
import { AppError } from '../core/app-error.ts';
import { machineClock } from '../core/clock.ts';
import type { Database, Executor } from '../store/database.ts';
import { askAgainBeforeFirstRefresh } from '../store/entity-refresh-store.ts';
import { entityExists } from '../store/entity-store.ts';
import { writeOperatorLog } from '../store/operator-log-store.ts';
import { requestRefresh } from '../store/refresh-request-store.ts';
import { makeSweepDue, readSweeps, type SweepProgress } from '../store/sweep-store.ts';
import { requestSyncOnce } from '../store/sync-request-store.ts';
import { textTable } from '../core/text-table.ts';
import { changeOptions, operatorOf, pause } from './operator-change.ts';
import {
  numberOption,
  onlyOperand,
  refuseOperands,
  type CommandCall,
  type CommandGroup,
  type OperatorContext,
} from './operator-command.ts';
import { withOwnDatabase } from './operator-database.ts';
import { safeJson } from './operator-output.ts';

const defaultEverySeconds = 10;
/** One call to Lean each, under the workers' rate limit. */
const askedAgainAtOnce = 50;

export const syncCommands: CommandGroup = {
  sync: {
    usage: 'sync ENTITY_ID',
    does: "has a worker fetch an entity's data anew",
    options: changeOptions,
    flags: { full: 'the whole history, and not only what is new' },
    run: (call, context) => ask(call, context, 'sync'),
  },
  refresh: {
    usage: 'refresh ENTITY_ID',
    does: 'has Lean ask the bank of an entity again; its data follows by webhook',
    options: changeOptions,
    run: (call, context) => ask(call, context, 'refresh'),
  },
  sweep: {
    usage: 'sweep',
    does: 'has workers look now for what never arrived; with --follow again and again',
    options: { ...changeOptions, every: `with --follow, seconds between two looks; ${defaultEverySeconds}` },
    flags: { follow: 'until interrupted, so that no public URL is needed here' },
    run: runSweep,
  },
};

interface Asked {
  readonly requestId: string;
  /** False where somebody had asked already, and the two are one. */
  readonly isNew: boolean;
}

async function ask(
  call: CommandCall,
  context: OperatorContext,
  command: 'sync' | 'refresh',
): Promise<number> {
  const entityId = onlyOperand(call, 'entity id');
  const operator = operatorOf(call, context);
  const fullHistory = call.flags.has('full');
  const { requestId, isNew } = await withOwnDatabase(context, (database) =>
    database.transaction(async (transaction): Promise<Asked> => {
      if (!(await entityExists(transaction, entityId)))
        throw new AppError('LEAN_ENTITY_UNKNOWN', 'no such entity in this database');
      const asked =
        command === 'sync'
          ? await requestSyncOnce(database, transaction, { entityId, fullHistory })
          : await requestRefresh(database, transaction, entityId);
      const details = { requestId: asked.requestId, ...(fullHistory && { full: true }) };
      await writeOperatorLog(transaction, { operator, command, affected: 1, details });
      return asked;
    }),
  );
  const { write } = context;
  if (call.json) write(safeJson({ requestId, isNew }));
  else write(`${isNew ? 'asked for' : 'was asked for already'}: request ${requestId}; a worker takes it up`);
  return 0;
}

async function runSweep(call: CommandCall, context: OperatorContext): Promise<number> {
  refuseOperands(call);
  const every = numberOption(call, { name: 'every', fallback: defaultEverySeconds, min: 1, max: 3_600 });
  const operator = operatorOf(call, context);
  return withOwnDatabase(context, async (database) => {
    const sweeps = await readSweeps(database.db);
    const isFollowing = call.flags.has('follow');
    if (sweeps.length === 0) {
      const waits = isFollowing ? '; waiting for one' : '';
      if (!call.json || !isFollowing)
        context.write(`no worker has started with sweeps on this database yet${waits}`);
      if (!isFollowing) return 1;
    }
    await database.transaction(async (transaction) => {
      await makeDue(database, transaction, sweeps);
      const details = { follow: isFollowing };
      await writeOperatorLog(transaction, { operator, command: 'sweep', affected: sweeps.length, details });
    });
    if (sweeps.length > 0) say(call, context, sweeps);
    if (isFollowing) await follow({ call, context, database, everyMs: every * 1_000, sweeps });
    return 0;
  });
}

interface Following {
  readonly call: CommandCall;
  readonly context: OperatorContext;
  readonly database: Database;
  readonly everyMs: number;
  readonly sweeps: readonly SweepProgress[];
}

/** Lean's first fetching of a new connection may take minutes: it is asked again whether that has ended. */
async function makeDue(
  database: Database,
  executor: Executor,
  sweeps: readonly SweepProgress[],
): Promise<void> {
  // In this order, as a sweep itself: the sweeps, then entities.
  for (const { sweep } of sweeps) await makeSweepDue(executor, sweep);
  await askAgainBeforeFirstRefresh(database, executor, { limit: askedAgainAtOnce });
}

/** Says only what has changed. */
async function follow({ call, context, database, everyMs, sweeps }: Following): Promise<void> {
  const stop = context.untilInterrupted();
  let said = sweeps;
  while (!stop.aborted) {
    await pause({ clock: machineClock, stop, ms: everyMs });
    if (stop.aborted) return;
    await makeDue(database, database.db, said);
    const read = await readSweeps(database.db);
    const isNews = ({ sweep, found, failureCode }: SweepProgress) =>
      !said.some((one) => one.sweep === sweep && one.found === found && one.failureCode === failureCode);
    if (read.some(isNews)) say(call, context, read);
    said = read;
  }
}

function say({ json }: CommandCall, { write }: OperatorContext, sweeps: readonly SweepProgress[]): void {
  const rows = sweeps.map(({ sweep, found, calls, coveredUntil, failureCode }) => ({
    sweep,
    found: String(found),
    calls: String(calls),
    covered_until: coveredUntil?.toISOString() ?? '',
    failure_code: failureCode ?? '',
  }));
  write(json ? safeJson(rows) : textTable(rows));
}
