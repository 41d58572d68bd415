// `npm run ops -- events …`: what has come in, what became of it, and doing it once more.
import { eventStates } from '../store/event-list-store.ts';
import { changeFlags, changeOptions } from './operator-change.ts';
import type { CommandGroup } from './operator-command.ts';
import { paceOptions, runEventChange } from './operator-event-change.ts';
import { filterOptions, quarantineStates, readChangeFilter, whoseOptions } from './operator-event-filter.ts';
import { listOptions, runList, runShow, showFlags } from './operator-event-list.ts';

export const replayFlags = {
  ...changeFlags,
  force: 'also events set aside: too old, of an erased customer, or a second body of one event id',
} as const;

export const eventsCommands: CommandGroup = {
  'events list': {
    usage: 'events list',
    does: 'the newest events, and what became of them',
    options: { ...filterOptions, ...whoseOptions, ...listOptions },
    run: (call, context) => runList(call, context, { states: undefined, allowed: eventStates }),
  },
  'events show': {
    usage: 'events show KEY',
    does: 'one event with its history; what its body says only with --body',
    flags: showFlags,
    run: runShow,
  },
  'events replay': {
    usage: 'events replay KEY… | --type T --since A --until B',
    does: 'has events applied once more; failed and quarantined ones unless keys or --state say otherwise',
    options: { ...filterOptions, ...paceOptions, ...changeOptions },
    flags: replayFlags,
    run(call, context) {
      const filter = readChangeFilter(call, {
        states: quarantineStates,
        allowed: eventStates,
        now: new Date(),
      });
      const change = { kind: 'replay', filter, force: call.flags.has('force') } as const;
      return runEventChange(call, context, { change, command: 'events replay' });
    },
  },
};
