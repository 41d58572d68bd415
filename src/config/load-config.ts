// Turns the environment into one frozen object, or into one message that lists everything that is wrong with it.
// Never repeats a value in a message.
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { findProblems, findWarnings } from './config-rules.ts';
import type { ConfigWarning, Texts } from './config-texts.ts';
import {
  roleSchemas,
  secretNames,
  variableNames,
  type envSchema,
  type Role,
  type VariableName,
} from './env-schema.ts';

interface BesideVariables {
  /** What is odd but does not stop the start; each is one log line. */
  readonly warnings: readonly ConfigWarning[];
  /** Where a secret came from, for those given as `<NAME>_FILE`, so that it can be read again. */
  readonly secretFiles: Readonly<Partial<Record<VariableName, string>>>;
}

/** What any role has: properties are the variables' own names; one that is not set is undefined. */
export type Config = Readonly<z.infer<typeof envSchema>> & BesideVariables;

type RoleValues = { [R in Role]: Readonly<z.infer<(typeof roleSchemas)[R]>> };
/** The same for one role, where what it needs is there for certain. */
export type RoleConfig<R extends Role> = RoleValues[R] & BesideVariables;
export type ReceiverConfig = RoleConfig<'receiver'>;

type Environment = Readonly<Record<string, string | undefined>>;
type ReadFile = (path: string) => string;

const parsers: { readonly [R in Role]: (texts: Texts) => z.ZodSafeParseResult<RoleValues[R]> } = {
  receiver: (texts) => roleSchemas.receiver.safeParse(texts),
  worker: (texts) => roleSchemas.worker.safeParse(texts),
  all: (texts) => roleSchemas.all.safeParse(texts),
  migrate: (texts) => roleSchemas.migrate.safeParse(texts),
  ops: (texts) => roleSchemas.ops.safeParse(texts),
};
const secretFileLimitBytes = 65_536;
const readWhole: ReadFile = (path) => readFileSync(path, 'utf8');

/** Throws CONFIG_INVALID with one line per problem: the variable's name and what is wrong, never its value. */
export function loadConfig<R extends Role>(
  role: R,
  env: Environment,
  readFile: ReadFile = readWhole,
): RoleConfig<R> {
  const { config, problems } = inspectConfig(role, env, readFile);
  if (config === null) throw new AppError('CONFIG_INVALID', listProblems(problems));
  return config;
}

export interface InspectedConfig<R extends Role> {
  /** Null where there are problems. */
  readonly config: RoleConfig<R> | null;
  /** By the name of the variable. */
  readonly problems: ReadonlyMap<string, string>;
}

/** As `loadConfig`, with the problems as a value. */
export function inspectConfig<R extends Role>(
  role: R,
  env: Environment,
  readFile: ReadFile = readWhole,
): InspectedConfig<R> {
  const { texts, secretFiles, problems } = readTexts(env, readFile);
  const addProblem = (name: string, problem: string) => {
    if (!problems.has(name) && !problems.has(`${name}_FILE`)) problems.set(name, problem);
  };
  fillWorkedOut(texts, role);
  const parsed = parsers[role](texts);
  for (const { path, message } of parsed.error?.issues ?? []) {
    const name = String(path[0]);
    addProblem(name, Object.hasOwn(texts, name) ? message : `is required by ${role}`);
  }
  for (const [name, problem] of findProblems(role, texts)) addProblem(name, problem);
  if (problems.size > 0 || !parsed.success) return { config: null, problems };
  const config: RoleConfig<R> = {
    ...parsed.data,
    warnings: findWarnings({ role, texts, names: Object.keys(env) }),
    secretFiles: Object.freeze(secretFiles),
  };
  for (const value of Object.values(config)) if (Array.isArray(value)) Object.freeze(value);
  Object.freeze(config);
  return { config, problems };
}

export interface OpsConfig {
  readonly config: Config;
  /** CONFIG_INVALID, where something is wrong: `config` is then what is left of it. */
  readonly refusal: AppError | null;
}

/** For the command line, whose one command that looks for problems must run with them: what is wrong counts as not set. */
export function readOpsConfig(env: Environment, readFile: ReadFile = readWhole): OpsConfig {
  const { config, problems } = inspectConfig('ops', env, readFile);
  if (config !== null) return { config, refusal: null };
  const { texts, secretFiles } = readTexts(env, readFile);
  fillWorkedOut(texts, 'ops');
  const wrong = new Set(parsers.ops(texts).error?.issues.map(({ path }) => path[0]));
  const good = parsers.ops(Object.fromEntries(Object.entries(texts).filter(([name]) => !wrong.has(name))));
  const refusal = new AppError('CONFIG_INVALID', listProblems(problems));
  if (!good.success) throw refusal;
  return { config: Object.freeze({ ...good.data, warnings: [], secretFiles }), refusal };
}

/** Of the variables that have problems, a secret's by its own name also where its file is to blame. */
export function wrongNames(problems: ReadonlyMap<string, string>): ReadonlySet<string> {
  return new Set(
    [...problems.keys()].map((name) => secretNames.find((secret) => name === `${secret}_FILE`) ?? name),
  );
}

function listProblems(problems: ReadonlyMap<string, string>): string {
  const count = problems.size === 1 ? 'one problem' : `${problems.size} problems`;
  return [`the environment has ${count}:`, ...[...problems].map(([name, text]) => `  ${name} ${text}`)].join(
    '\n',
  );
}

/** Our variables as text. An empty one counts as not set; a secret may come from a file instead. */
function readTexts(env: Environment, readFile: ReadFile) {
  const texts: Texts = {};
  const secretFiles: Partial<Record<VariableName, string>> = {};
  const problems = new Map<string, string>();
  for (const name of variableNames) {
    const text = env[name];
    if (text !== undefined && text !== '') texts[name] = text;
  }
  for (const name of secretNames) {
    const fileName = `${name}_FILE`;
    const path = env[fileName];
    if (path === undefined || path === '') continue;
    if (texts[name] !== undefined) {
      problems.set(fileName, `and ${name} are both set; keep one`);
      continue;
    }
    secretFiles[name] = path;
    const read = readSecret(path, readFile);
    if (read.problem === undefined) texts[name] = read.text;
    else problems.set(fileName, read.problem);
  }
  return { texts, secretFiles, problems };
}

function readSecret(
  path: string,
  readFile: ReadFile,
): { text: string; problem?: undefined } | { problem: string } {
  try {
    const text = readFile(path).replace(/\r?\n$/, '');
    if (text === '') return { problem: 'names an empty file' };
    if (text.length > secretFileLimitBytes) return { problem: 'names a file of more than 64 KiB' };
    return { text };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    return { problem: `names a file that cannot be read${code}` };
  }
}

/** Defaults that depend on other variables or on the role. */
function fillWorkedOut(texts: Texts, role: Role): void {
  texts.OPS_PORT ??= role === 'worker' ? '9465' : '9464';
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region } = texts;
  // A command line that knows neither has no queue; elsewhere their absence is a problem of its own.
  if (role === 'ops' && (environment === undefined || region === undefined)) return;
  texts.QUEUE_PREFIX ??= `{lean-${environment ?? ''}-${region ?? ''}}`;
}

/** Reads a secret's file again, as it is done at the start; throws CONFIG_INVALID when it cannot be used. */
export function readSecretFile(name: VariableName, path: string): string {
  const read = readSecret(path, (file) => readFileSync(file, 'utf8'));
  if (read.problem !== undefined) throw new AppError('CONFIG_INVALID', `${name}_FILE ${read.problem}`);
  return read.text;
}
