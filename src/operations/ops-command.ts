// `npm run ops -- <command>`: reads the command line, runs one command, says what came of it.
// Exit 0 ok, 1 warning, 2 problem. Never changes data without asking. A new group of commands is one file and one line here.
import { parseArgs } from 'node:util';
import { AppError } from '../core/app-error.ts';
import { certificatesCommands } from './commands-certificates.ts';
import { sqlCommands } from './commands-sql.ts';
import {
  UsageError,
  type CommandGroup,
  type OperatorCommand,
  type OperatorContext,
} from './operator-command.ts';

export interface OpsOptions extends OperatorContext {
  readonly argv: readonly string[];
}

const commands: CommandGroup = { ...certificatesCommands, ...sqlCommands };

/** The first word of each command. */
export const opsCommandNames: readonly string[] = [
  ...new Set(Object.keys(commands).map((words) => words.split(' ', 1).join(''))),
];

export async function runOpsCommand(options: OpsOptions): Promise<number> {
  const { argv, write } = options;
  const found = findCommand(argv);
  const given = found && readArguments(argv, found);
  if (!given) {
    write(helpText());
    return isHelp(argv) ? 0 : 2;
  }
  const { values, operands } = given;
  if (values.help) {
    write(helpText(found.command));
    return 0;
  }
  const { json } = values;
  const texts = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : undefined,
  ]);
  try {
    return await found.command.run({ operands, values: Object.fromEntries(texts), json }, options);
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

/** Null for an option the command does not know, or one without its value. */
function readArguments(argv: readonly string[], { words, command }: Found) {
  const own = Object.keys(command.options ?? {}).map((name) => [name, { type: 'string' }] as const);
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { ...Object.fromEntries(own), ...commonOptions },
    });
    return { values, operands: positionals.slice(words) };
  } catch {
    return null;
  }
}

/** All commands, or one with its options. */
function helpText(command?: OperatorCommand): string {
  const shown = command ? [command] : Object.values(commands);
  const width = Math.max(...shown.map(({ usage }) => usage.length)) + 2;
  const lines = shown.map(({ usage, does }) => `  ${usage.padEnd(width)}${does}`);
  const options = Object.entries(command?.options ?? {}).map(
    ([name, means]) => `  ${`--${name} N`.padEnd(width)}${means}`,
  );
  return ['npm run ops -- <command> [--json] [--help]', '', ...lines, ...options].join('\n');
}
