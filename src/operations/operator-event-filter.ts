// Which events a command is about: keys, or a choice by state, type, whose they are and when they came.
import { eventStates, type EventFilter, type EventState } from '../store/event-list-store.ts';
import { UsageError, type CommandCall } from './operator-command.ts';
import { timeOption } from './operator-times.ts';

export const quarantineStates: readonly EventState[] = ['quarantined', 'failed'];

export const filterOptions = {
  state: `one or several of ${eventStates.join(', ')}, separated by commas`,
  type: "Lean's type, such as entity.created",
  since: 'received at or after: 2026-11-20, 2026-11-20T08:00:00Z, or 90m, 24h, 7d ago',
  until: 'received before, written likewise',
} as const;

export const whoseOptions = {
  entity: 'of this entity id',
  customer: 'of this customer id',
} as const;

/** More keys than a command line holds are a choice by time. */
const keysLimit = 1_000;

interface FilterRules {
  /** Where neither keys nor `--state` say. */
  readonly states: readonly EventState[] | undefined;
  /** What `--state` may say. */
  readonly allowed: readonly EventState[];
  readonly now: Date;
}

/** Throws UsageError. */
export function readFilter(call: CommandCall, { states, allowed, now }: FilterRules): EventFilter {
  const { operands, values } = call;
  const keys = operands.length === 0 ? undefined : [...new Set(operands)];
  if (keys !== undefined && keys.length > keysLimit)
    throw new UsageError(`at most ${keysLimit} keys; choose by --since and --until`);
  const stated = values['state'] === undefined ? undefined : readStates(values['state'], allowed);
  return {
    keys,
    states: stated ?? (keys === undefined ? states : undefined),
    type: values['type'],
    entityId: values['entity'],
    customerId: values['customer'],
    since: timeOption(call, { name: 'since', now }),
    until: timeOption(call, { name: 'until', now }),
  };
}

/**
 * What a command changes. Without keys its end in time is fixed, so that what comes in while it runs is left alone.
 * Refuses to mean everything unless it is said. Throws UsageError.
 */
export function readChangeFilter(call: CommandCall, rules: FilterRules): EventFilter {
  refuseEverything(call);
  const filter = readFilter(call, rules);
  return filter.keys === undefined ? { ...filter, until: filter.until ?? rules.now } : filter;
}

function refuseEverything({ operands, values }: CommandCall): void {
  const said = ['type', 'since', 'until', 'state'].some((name) => values[name] !== undefined);
  if (operands.length === 0 && !said)
    throw new UsageError('name keys, or choose by --type, --state, --since, --until');
}

function readStates(text: string, allowed: readonly EventState[]): EventState[] {
  const states = text.split(',').map((name) => allowed.find((state) => state === name.trim()));
  if (states.includes(undefined)) throw new UsageError(`--state takes ${allowed.join(', ')}`);
  return states.filter((state) => state !== undefined);
}
