// Replays or discards the events that an operator chose: shows first what that would be, asks, and goes on at a pace.
// Never acts on more than was shown: what comes in meanwhile is left alone.
import { AppError } from '../core/app-error.ts';
import { eventJobId } from '../core/event-key.ts';
import { textTable } from '../core/text-table.ts';
import { openEventQueue } from '../queue/work-queues.ts';
import type { Database } from '../store/database.ts';
import {
  changePage,
  previewChange,
  type ChangeCursor,
  type ChangedPage,
  type EventChange,
  type EventGroup,
} from '../store/event-replay-store.ts';
import type { OpenEvent } from '../store/intake-store.ts';
import { mayChange, operatorOf, runPaced } from './operator-change.ts';
import { numberOption, type CommandCall, type OperatorContext } from './operator-command.ts';
import { withOwnDatabase } from './operator-database.ts';
import { counted, safeJson } from './operator-output.ts';

const defaultPerSecond = 10;
const maxPerSecond = 1_000;

export const paceOptions = {
  'per-second': `at most so many a second; ${defaultPerSecond} when left out`,
} as const;

const verdictTexts = {
  ready: 'will be changed',
  open: 'left: not concluded yet',
  body_gone: 'left: its body is gone',
  needs_force: 'left: set aside, takes --force',
  not_in_quarantine: 'left: not in quarantine',
} as const;

/** The exit code: 1 when something was left, stopped half way, or Redis was away. */
export async function runEventChange(
  call: CommandCall,
  context: OperatorContext,
  { change, command }: { readonly change: EventChange; readonly command: string },
): Promise<number> {
  const perSecond = numberOption(call, {
    name: 'per-second',
    fallback: defaultPerSecond,
    min: 1,
    max: maxPerSecond,
  });
  const isDry = call.flags.has('dry-run');
  // Before anything is looked at: who is not known may not change anything.
  const operator = isDry ? '' : operatorOf(call, context);
  return withOwnDatabase(context, async (database) => {
    const groups = await previewChange(database, change);
    const unknown = unknownKeys(change, groups);
    const ready = countOf(groups.filter(({ verdict }) => verdict === 'ready'));
    const left = countOf(groups) - ready + unknown;
    if (!call.json) sayPreview(context, { groups, unknown });
    if (isDry || ready === 0) {
      if (call.json) context.write(safeJson({ dryRun: isDry, changed: 0, ready, unknown, groups }));
      return ready > 0 && left === 0 ? 0 : 1;
    }
    if (!(await mayChange(call, context, `${change.kind} ${eventsText(ready)}?`))) return 1;
    const result = await runChange({ call, context, database, change, command, operator, perSecond, ready });
    if (call.json) context.write(safeJson({ dryRun: false, ...result, ready, unknown, groups }));
    else sayResult(context, change, result);
    return left > 0 || result.isInterrupted || result.jobs === 'queue_away' ? 1 : 0;
  });
}

const countOf = (groups: readonly EventGroup[]) => groups.reduce((sum, { events }) => sum + events, 0);
const eventsText = (count: number) => counted(count, ['event', 'events']);

/** A key appears in at most one group, once. */
function unknownKeys({ filter: { keys } }: EventChange, groups: readonly EventGroup[]): number {
  return keys === undefined ? 0 : keys.length - countOf(groups);
}

function sayPreview(
  { write }: OperatorContext,
  { groups, unknown }: { readonly groups: readonly EventGroup[]; readonly unknown: number },
): void {
  const rows = groups.map(({ verdict, type, state, failureCode, events }) => ({
    events,
    '': verdictTexts[verdict],
    state,
    failure_code: failureCode ?? '',
    type: type ?? '',
  }));
  if (rows.length > 0) write(textTable(rows));
  if (unknown > 0) write(`${unknown} of the keys: no such event`);
  if (rows.length === 0 && unknown === 0) write('no such event');
}

interface Changing {
  readonly call: CommandCall;
  readonly context: OperatorContext;
  readonly database: Database;
  readonly change: EventChange;
  readonly command: string;
  readonly operator: string;
  readonly perSecond: number;
  readonly ready: number;
}

interface Changed {
  readonly changed: number;
  readonly isInterrupted: boolean;
  /** Whether workers were told at once; they find open events by themselves within two minutes. */
  readonly jobs: 'added' | 'no_queue' | 'queue_away';
  readonly logId: bigint | null;
}

async function runChange(changing: Changing): Promise<Changed> {
  const { context, database, change, command, operator, perSecond, ready } = changing;
  const { terminal } = context;
  const adder = openAdder(changing);
  const details = logDetails(changing);
  let after: ChangeCursor | null = null;
  let logId: bigint | null = null;
  try {
    const { done, isInterrupted } = await runPaced({
      perSecond,
      // No more than was shown and agreed to, whatever has become ready since.
      total: ready,
      stop: context.untilInterrupted(),
      onProgress: (count) => terminal?.showProgress(`${command}: ${count} of ${ready}`),
      async step(limit) {
        const asked = { change, limit, after, operator, command, details, logId };
        const page: ChangedPage = await changePage(database, asked);
        ({ logId, next: after } = page);
        await adder.add(page.events);
        return after === null ? null : page.events.length;
      },
    });
    return { changed: done, isInterrupted, jobs: adder.outcome(), logId };
  } finally {
    terminal?.showProgress('');
    await adder.close();
  }
}

/** What was chosen, without anything that says whose events they are. */
function logDetails({ call, change: { filter, force } }: Changing): Record<string, unknown> {
  const { keys, states, type, since, until } = filter;
  return {
    ...(keys !== undefined && { keys: keys.length }),
    ...(states !== undefined && { states }),
    ...(type !== undefined && { type }),
    ...(since !== undefined && { since }),
    ...(call.values['until'] !== undefined && { until }),
    ...(force && { force }),
  };
}

/** The rows are enough for workers to find the events; a job only makes it sooner. */
function openAdder({ context: { config }, change }: Changing) {
  const { REDIS_URL: url, QUEUE_PREFIX: prefix, REDIS_DEADLINE_MS: deadlineMs } = config;
  const isWanted = change.kind === 'replay' && url !== undefined && prefix !== undefined;
  const queue = isWanted ? openEventQueue({ url, prefix, deadlineMs }) : null;
  let isAway = false;
  return {
    async add(events: readonly OpenEvent[]) {
      if (queue === null || isAway || events.length === 0) return;
      try {
        await queue.add(
          events.map(({ eventKey, replayCount }) => ({
            id: eventJobId(eventKey, replayCount),
            data: { eventKey },
          })),
        );
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'QUEUE_UNAVAILABLE') throw error;
        isAway = true;
      }
    },
    outcome: (): Changed['jobs'] => (queue === null ? 'no_queue' : isAway ? 'queue_away' : 'added'),
    close: async () => queue?.close(),
  };
}

function sayResult({ write }: OperatorContext, { kind }: EventChange, result: Changed): void {
  const { changed, isInterrupted, jobs, logId } = result;
  const entry = logId === null ? '' : `; entry ${logId} of lean.operator_log`;
  write(`${kind}: ${eventsText(changed)}${isInterrupted ? ', then stopped' : ''}${entry}`);
  if (kind === 'discard' || changed === 0 || jobs === 'added') return;
  const why = jobs === 'queue_away' ? 'QUEUE_UNAVAILABLE: Redis did not answer' : 'REDIS_URL is not set here';
  write(`${why}; workers find the events by themselves within two minutes`);
}
