// `npm run ops -- journal …`: what a receiver still holds on its disk, and bringing home what one left behind.
// Never touches the journal of a receiver that runs.
import { AppError } from '../core/app-error.ts';
import { readJournalStatus, type JournalStatus } from '../journal/journal-status.ts';
import { writeOperatorLog } from '../store/operator-log-store.ts';
import { changeFlags, changeOptions, mayChange, operatorOf } from './operator-change.ts';
import {
  numberOption,
  onlyOperand,
  type CommandCall,
  type CommandGroup,
  type OperatorContext,
} from './operator-command.ts';
import { withOwnDatabase } from './operator-database.ts';
import { drainJournal, type Drained } from './operator-drain.ts';
import { counted, factLines, safeJson } from './operator-output.ts';

/** From here on a receiver refuses deliveries. */
const fullShare = 0.9;
const fillingShare = 0.5;
const drainSecondsDefault = 3_600;
const drainSecondsMax = 86_400;

export const journalCommands: CommandGroup = {
  'journal status': {
    usage: 'journal status [DIR]',
    does: 'what the journal in DIR (JOURNAL_DIR when left out) holds; reads only, also beside a running receiver',
    run(call, { config, write }) {
      const dir = call.operands.length === 0 ? config.JOURNAL_DIR : onlyOperand(call, 'folder');
      const status = readJournalStatus(dir);
      const share = status.bytes / config.JOURNAL_LIMIT_BYTES;
      const { code, message } = judgeJournalFill(status, share);
      const facts = { dir, ...status, limitBytes: config.JOURNAL_LIMIT_BYTES };
      if (call.json) write(safeJson({ ...facts, message }));
      else write(`${factLines({ ...facts, filled: `${Math.floor(share * 100)} %` })}\n\n${message}`);
      return Promise.resolve(code);
    },
  },
  'journal drain': {
    usage: 'journal drain DIR',
    does: 'forwards what a receiver that is gone left in DIR to Redis and waits until it is stored',
    options: {
      seconds: `gives up after so long, and may be run again; ${drainSecondsDefault} when left out`,
      ...changeOptions,
    },
    flags: changeFlags,
    run: runDrain,
  },
};

/** The exit code, and a sentence for it. `share` is of JOURNAL_LIMIT_BYTES. */
export function judgeJournalFill(
  { rows, isHeld }: JournalStatus,
  share: number,
): { code: number; message: string } {
  if (share >= fullShare)
    return { code: 2, message: 'full: a receiver answers OVERLOADED; look at Redis and workers' };
  if (share >= fillingShare)
    return { code: 1, message: 'filling: look at the way to Redis and at the workers' };
  if (rows > 0 && !isHeld)
    return { code: 1, message: 'left behind: no receiver holds it; start that one again, or drain it' };
  return { code: 0, message: isHeld ? 'in use by a receiver' : 'empty, and not in use' };
}

async function runDrain(call: CommandCall, context: OperatorContext): Promise<number> {
  const dir = onlyOperand(call, 'folder');
  const seconds = numberOption(call, {
    name: 'seconds',
    fallback: drainSecondsDefault,
    min: 1,
    max: drainSecondsMax,
  });
  const status = readJournalStatus(dir);
  if (status.isHeld)
    throw new AppError('JOURNAL_LOCKED', `${dir} is held by another process, perhaps its receiver`);
  if (call.flags.has('dry-run') || status.rows === 0) {
    if (call.json) context.write(safeJson({ dryRun: call.flags.has('dry-run'), dir, ...status }));
    else
      context.write(
        `${dir} holds ${deliveriesText(status.rows)}${status.rows === 0 ? '; nothing to do' : ''}`,
      );
    return 0;
  }
  const parts = drainParts(context);
  const operator = operatorOf(call, context);
  if (!(await mayChange(call, context, `forward ${deliveriesText(status.rows)} of ${dir}?`))) return 1;
  const isLogged = await logDrain(context, { operator, status });
  const { config, terminal } = context;
  const drained = await drainJournal({
    dir,
    limitBytes: config.JOURNAL_LIMIT_BYTES,
    ...parts,
    seconds,
    stop: context.untilInterrupted(),
    onProgress: ({ rowsLeft, trouble }) =>
      terminal?.showProgress(
        `journal drain: ${rowsLeft} of ${status.rows} left${trouble ? `, ${trouble}` : ''}`,
      ),
  });
  terminal?.showProgress('');
  if (call.json)
    context.write(safeJson({ dryRun: false, dir, journalId: status.journalId, isLogged, ...drained }));
  else sayDrained(context, { dir, drained, isLogged });
  if (drained.outcome === 'empty') return 0;
  return drained.outcome === 'wrong_installation' ? 2 : 1;
}

const deliveriesText = (count: number) => counted(count, ['delivery', 'deliveries']);

/** Throws CONFIG_INVALID: where to is not asked for by this command's own options, so that it is the workers' place. */
function drainParts({ config, startForwarder }: OperatorContext) {
  const { REDIS_URL: url, QUEUE_PREFIX: prefix, REDIS_DEADLINE_MS: deadlineMs } = config;
  if (url === undefined || prefix === undefined || startForwarder === undefined)
    throw new AppError(
      'CONFIG_INVALID',
      'journal drain needs REDIS_URL, and LEAN_ENVIRONMENT and LEAN_REGION or QUEUE_PREFIX',
    );
  return { redis: { url, prefix, deadlineMs }, startForwarder };
}

/** A receiver's machine need not know the database; then the drain is told by the output alone. */
async function logDrain(
  context: OperatorContext,
  { operator, status }: { readonly operator: string; readonly status: JournalStatus },
): Promise<boolean> {
  if (context.databaseUrl === undefined && context.database === undefined) return false;
  const { journalId, rows } = status;
  await withOwnDatabase(context, (database) =>
    // A transaction, for the word of its commit: the drain that follows cannot be told of again.
    database.transaction((transaction) =>
      writeOperatorLog(transaction, {
        operator,
        command: 'journal drain',
        affected: rows,
        details: { journalId },
      }),
    ),
  );
  return true;
}

const endings: Readonly<Record<Drained['outcome'], string>> = {
  empty: 'empty: everything is stored; the folder may be removed',
  interrupted: 'stopped; what is left is safe in the journal: run it again',
  time_over: 'out of time; what is left is safe in the journal: run it again',
  wrong_installation: 'Redis belongs to another installation: nothing more is forwarded',
};

function sayDrained(
  { write }: OperatorContext,
  result: { readonly dir: string; readonly drained: Drained; readonly isLogged: boolean },
): void {
  const { dir, drained, isLogged } = result;
  const trouble = drained.trouble === null ? '' : ` (${drained.trouble})`;
  write(`${dir}: ${endings[drained.outcome]}${trouble}; ${deliveriesText(drained.rowsLeft)} left`);
  if (!isLogged) write('not in lean.operator_log: DATABASE_URL is not set here');
}
