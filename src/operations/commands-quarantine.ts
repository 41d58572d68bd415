// `npm run ops -- quarantine …`: events that could not be applied, or must not be before somebody has looked at them.
import { replayFlags } from './commands-events.ts';
import { changeFlags, changeOptions } from './operator-change.ts';
import type { CommandCall, CommandGroup } from './operator-command.ts';
import { paceOptions, runEventChange } from './operator-event-change.ts';
import { filterOptions, quarantineStates, readChangeFilter, whoseOptions } from './operator-event-filter.ts';
import { listOptions, runList, runShow, showFlags } from './operator-event-list.ts';

const stateOption = { state: `${quarantineStates.join(' or ')}; both when left out` };
const choice = { states: quarantineStates, allowed: quarantineStates };

/** Keys too are only looked for in here. */
function filterOf(call: CommandCall) {
  const filter = readChangeFilter(call, { ...choice, now: new Date() });
  return { ...filter, states: filter.states ?? quarantineStates };
}

export const quarantineCommands: CommandGroup = {
  'quarantine list': {
    usage: 'quarantine list',
    does: 'the newest events that failed or were set aside',
    options: { ...filterOptions, ...stateOption, ...whoseOptions, ...listOptions },
    run: (call, context) => runList(call, context, choice),
  },
  'quarantine show': {
    usage: 'quarantine show KEY',
    does: 'one of them with its history; what its body says only with --body',
    flags: showFlags,
    run: runShow,
  },
  'quarantine replay': {
    usage: 'quarantine replay KEY… | --type T --since A --until B',
    does: 'has them applied once more',
    options: { ...filterOptions, ...stateOption, ...paceOptions, ...changeOptions },
    flags: replayFlags,
    run(call, context) {
      const change = { kind: 'replay', filter: filterOf(call), force: call.flags.has('force') } as const;
      return runEventChange(call, context, { change, command: 'quarantine replay' });
    },
  },
  'quarantine discard': {
    usage: 'quarantine discard KEY… | --type T --since A --until B',
    does: 'gives them up for good: keeps their keys, drops their bodies',
    options: { ...filterOptions, ...stateOption, ...paceOptions, ...changeOptions },
    flags: changeFlags,
    run(call, context) {
      const change = { kind: 'discard', filter: filterOf(call), force: false } as const;
      return runEventChange(call, context, { change, command: 'quarantine discard' });
    },
  },
};
