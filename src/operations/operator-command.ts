// What a command of the operator's command line is. Each group of commands has a file of its own with a table of them.
import type { Config } from '../config/load-config.ts';
import type { AppError } from '../core/app-error.ts';
import type { Database } from '../store/database.ts';
import type { LeanParts } from './doctor-lean.ts';
import type { StartForwarder } from './operator-drain.ts';

/** Somebody who sits at a terminal. */
export interface Terminal {
  ask(question: string): Promise<string>;
  /** In the place of the line that was shown before; an empty one takes that away. */
  showProgress(line: string): void;
}

export interface OperatorContext {
  readonly config: Config;
  readonly databaseUrl: string | undefined;
  readonly schema: string;
  /** In the place of the one behind `databaseUrl`; a command does not close it. */
  readonly database?: Database;
  /** Where a running `npm start` answers when there is no database URL; nobody does where this is empty. */
  readonly developmentSocket: string;
  /** One line, or several, of output. */
  readonly write: (text: string) => void;
  /** For commands that run until the operator stops them. From this call on an interrupt ends the command in order. */
  readonly untilInterrupted: () => AbortSignal;
  /** Who is logged in here, for the log of changes. */
  readonly operator?: string;
  /** Left out where nobody could answer a question. */
  readonly terminal?: Terminal;
  /** The receiver's own way out of a journal, for `journal drain`. */
  readonly startForwarder?: StartForwarder;
  /** The worker's own way to Lean, for `doctor`. */
  readonly lean?: LeanParts;
  /** PEM, in the place of the public authorities that come with node; for `doctor`. */
  readonly publicAuthorities?: readonly string[];
  /** For a command that leaves calls hanging: the process ends soon with this code, whatever they wait for. */
  readonly endSoon?: (code: number) => void;
  /** The environment as it is, for the command that looks for what is wrong in it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** CONFIG_INVALID where something is wrong in it; only a command that `runsOnBrokenConfig` runs then. */
  readonly configRefusal?: AppError;
}

export interface CommandCall {
  /** What stands behind the command's own words. */
  readonly operands: readonly string[];
  /** Values of the command's own options, by name without the dashes. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** The command's own options without a value that were given. */
  readonly flags: ReadonlySet<string>;
  /** One JSON text, or one a line, instead of text for people. */
  readonly json: boolean;
}

export interface OperatorCommand {
  /** The command's words and operands, as the help shows them. */
  readonly usage: string;
  readonly does: string;
  /** Options that take a value: name → what it means, with its default. */
  readonly options?: Readonly<Record<string, string>>;
  /** Options that take none. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Runs although variables are wrong, with what is left of them. */
  readonly runsOnBrokenConfig?: boolean;
  /** The exit code: 0 ok, 1 warning, 2 problem. Throws UsageError, or AppError for what went wrong. */
  run(call: CommandCall, context: OperatorContext): Promise<number>;
}

/** By the command's words, `sql` or `certificates check`. */
export type CommandGroup = Readonly<Record<string, OperatorCommand>>;

/** The command line makes no sense; its message says why, and the help follows. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function refuseOperands({ operands }: CommandCall): void {
  if (operands.length > 0) throw new UsageError('this command takes nothing more');
}

/** The one thing the command is about. Throws UsageError. */
export function onlyOperand({ operands: [operand, ...more] }: CommandCall, what: string): string {
  if (operand === undefined || operand === '' || more.length > 0) throw new UsageError(`give one ${what}`);
  return operand;
}

/** A whole number within its bounds; `fallback` when the option is not given. Throws UsageError. */
export function numberOption(
  { values }: CommandCall,
  option: { name: string; fallback: number; min: number; max: number },
): number {
  const { name, fallback, min, max } = option;
  const text = values[name];
  if (text === undefined) return fallback;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${name} takes a whole number from ${min} to ${max}`);
}
