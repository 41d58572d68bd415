// `npm run ops -- <command>`: reads the command line, runs one command, says what came of it.
// Exit 0 ok, 1 warning, 2 problem. Never changes data without asking. A new group of commands is one file and one line here.
import { parseArgs } from 'node:util';
import { AppError } from '../core/app-error.ts';
import { certificatesCommands } from './commands-certificates.ts';
import { doctorCommands } from './commands-doctor.ts';
import { eraseCommands } from './commands-erase.ts';
import { eventsCommands } from './commands-events.ts';
import { journalCommands } from './commands-journal.ts';
import { quarantineCommands } from './commands-quarantine.ts';
import { renormalizeCommands } from './commands-renormalize.ts';
import { sqlCommands } from './commands-sql.ts';
import { syncCommands } from './commands-sync.ts';
import {
  UsageError,
  type CommandCall,
  type CommandGroup,
  type OperatorCommand,
  type OperatorContext,
} from './operator-command.ts';
import { runInDevelopment, type DevelopmentQuestion } from './ops-development.ts';
import { oneLine } from './operator-output.ts';

export interface OpsOptions extends OperatorContext {
  readonly argv: readonly string[];
  /** Where others ask a running `npm start`: what reaches beyond the rows is refused. */
  readonly onRowsOnly?: boolean;
}

const commands: CommandGroup = {
  ...doctorCommands,
  ...eventsCommands,
  ...quarantineCommands,
  ...journalCommands,
  ...certificatesCommands,
  ...syncCommands,
  ...renormalizeCommands,
  ...eraseCommands,
  ...sqlCommands,
};

/** About rows and nothing beside them: without DATABASE_URL a running `npm start` runs them on the database inside it. */
const commandsOnRows: ReadonlySet<OperatorCommand> = new Set(
  [eventsCommands, quarantineCommands, syncCommands].flatMap((group) => Object.values(group)),
);

/** Every command's words. */
export const opsCommands: readonly string[] = Object.keys(commands);

/** The first word of each command. */
export const opsCommandNames: readonly string[] = [
  ...new Set(opsCommands.map((words) => words.split(' ', 1).join(''))),
];

/** Throws CONFIG_INVALID for a command that cannot run with the environment as it is. */
export async function runOpsCommand(options: OpsOptions): Promise<number> {
  const { argv, write } = options;
  const found = findCommand(argv);
  if (!found) {
    write(helpText());
    return isHelp(argv) ? 0 : 2;
  }
  const given = readArguments(argv, found);
  if (typeof given === 'string') {
    write(`${given}\n\n${helpText(found.command)}`);
    return 2;
  }
  const { flags } = given;
  if (flags.has('help')) {
    write(helpText(found.command));
    return 0;
  }
  if (options.onRowsOnly === true && !commandsOnRows.has(found.command)) {
    write('this command is not run inside npm start');
    return 2;
  }
  const { configRefusal } = options;
  if (configRefusal !== undefined && found.command.runsOnBrokenConfig !== true) throw configRefusal;
  const json = flags.has('json');
  try {
    if (isForDevelopment(found.command, options)) return await runInDevelopment(developmentQuestion(options));
    return await found.command.run({ ...given, json }, options);
  } catch (error) {
    if (error instanceof UsageError) write(`${error.message}\n\n${helpText(found.command)}`);
    else if (error instanceof AppError)
      write(
        json
          ? JSON.stringify({ code: error.code, message: error.message })
          : `${error.code}: ${error.message}`,
      );
    else throw error;
    return 2;
  }
}

function isForDevelopment(
  command: OperatorCommand,
  { databaseUrl, database, developmentSocket }: OpsOptions,
): boolean {
  if (databaseUrl !== undefined || database !== undefined) return false;
  return developmentSocket !== '' && commandsOnRows.has(command);
}

function developmentQuestion(options: OpsOptions): DevelopmentQuestion {
  const { argv, operator, write, untilInterrupted, developmentSocket: socket } = options;
  return { socket, argv, operator, write, stop: untilInterrupted() };
}

interface Found {
  readonly words: number;
  readonly command: OperatorCommand;
}

/** By the first two words, else by the first. Which options there are is known only then. */
function findCommand(argv: readonly string[]): Found | null {
  const [first = '', second = ''] = looseArguments(argv).positionals;
  return commandOf(2, `${first} ${second}`) ?? commandOf(1, first);
}

function commandOf(words: number, name: string): Found | null {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return command ? { words, command } : null;
}

const commonOptions = {
  help: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

function looseArguments(argv: readonly string[]) {
  return parseArgs({ args: [...argv], allowPositionals: true, strict: false, options: commonOptions });
}

function isHelp(argv: readonly string[]): boolean {
  return looseArguments(argv).values.help === true;
}

/** A text says what is wrong: an option the command does not know, or one without its value. */
function readArguments(
  argv: readonly string[],
  { words, command }: Found,
): Omit<CommandCall, 'json'> | string {
  const own: [string, { type: 'string' | 'boolean' }][] = [
    ...Object.keys(command.options ?? {}).map((name): [string, { type: 'string' }] => [
      name,
      { type: 'string' },
    ]),
    ...Object.keys(command.flags ?? {}).map((name): [string, { type: 'boolean' }] => [
      name,
      { type: 'boolean' },
    ]),
  ];
  const options: Record<string, { type: 'string' | 'boolean' }> = {
    ...Object.fromEntries(own),
    ...commonOptions,
  };
  try {
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const given = Object.entries(values);
    return {
      operands: positionals.slice(words),
      values: Object.fromEntries(
        given.map(([name, value]) => [name, typeof value === 'string' ? value : undefined]),
      ),
      flags: new Set(given.flatMap(([name, value]) => (value === true ? [name] : []))),
    };
  } catch (error) {
    // Node's second sentence is about arguments that begin with a dash.
    const [problem = ''] = error instanceof Error ? error.message.split('. ', 1) : [];
    return oneLine(problem);
  }
}

/** All commands, or one with its options. */
function helpText(command?: OperatorCommand): string {
  const shown = command ? [command] : Object.values(commands);
  const lines = [
    ...shown.map(({ usage, does }) => [usage, does] as const),
    ...Object.entries(command?.options ?? {}).map(([name, means]) => [`--${name} …`, means] as const),
    ...Object.entries(command?.flags ?? {}).map(([name, means]) => [`--${name}`, means] as const),
  ];
  const width = Math.max(...lines.map(([left]) => left.length)) + 2;
  const rest = lines.map(([left, right]) => `  ${left.padEnd(width)}${right}`);
  const exits = 'exit: 0 ok, 1 warning, 2 problem';
  return ['npm run ops -- <command> [--json] [--help]', '', ...rest, '', exits].join('\n');
}
