// Writes what people read about variables and failure codes from the tables the program itself uses.
// Pure: text in, text out. `npm run docs` writes the files, and a test fails when they have drifted.
import { failureCodes } from '../core/failure-codes.ts';
import { envSchema, rolesNeeding, variableFacts, variableGroups, type VariableName } from './env-schema.ts';

export type Section =
  | 'variables'
  | 'failure-codes'
  | 'warnings'
  | 'sweeps'
  | 'changes'
  | 'metrics'
  | 'alerts'
  | 'lean-events'
  | 'lean-errors';

function namesOf(group: object): VariableName[] {
  return envSchema.keyof().options.filter((name) => Object.hasOwn(group, name));
}

/** Every variable with its default, commented out; what a role cannot start without stands bare. */
export function envExample(): string {
  const head = [
    '# Every variable of the service. Made from src/config by `npm run docs`: change it there.',
    '# A secret X may come from a file instead: X_FILE=/path. An empty value counts as not set.',
  ];
  const groups = Object.entries(variableGroups).map(([title, group]) =>
    [`# ---- ${title} ----`, ...namesOf(group).map(exampleEntry)].join('\n\n'),
  );
  return `${[head.join('\n'), ...groups].join('\n\n')}\n`;
}

function exampleEntry(name: VariableName): string {
  const { describe, fallback, workedOut } = variableFacts(name);
  const words = [plain(describe), ...notes(name)].join(' ');
  const bare = rolesNeeding(name).length > 0 && workedOut === undefined;
  return [...wrap(words, 108).map((line) => `# ${line}`), `${bare ? '' : '#'}${name}=${fallback ?? ''}`].join(
    '\n',
  );
}

/** The README's table of variables, one per group. */
export function variablesTable(): string {
  return Object.entries(variableGroups)
    .map(([title, group]) =>
      [
        `**${title}**`,
        '',
        '| variable | default | meaning |',
        '|---|---|---|',
        ...namesOf(group).map(tableRow),
      ].join('\n'),
    )
    .join('\n\n');
}

function tableRow(name: VariableName): string {
  const { describe, fallback, workedOut } = variableFacts(name);
  const shown = fallback ?? workedOut;
  return `| \`${name}\` | ${shown === undefined ? '-' : `\`${shown}\``} | ${cell([describe, ...notes(name)].join(' '))} |`;
}

export function failureCodesTable(): string {
  const rows = Object.entries(failureCodes).map(
    ([code, { level, means, cure }]) => `| \`${code}\` | ${level} | ${cell(means)} | ${cell(cure)} |`,
  );
  return ['| code | level | what happened | what to do |', '|---|---|---|---|', ...rows].join('\n');
}

/** Unit, bounds, who needs it, and that it is a secret, as short sentences. */
function notes(name: VariableName): string[] {
  const { unit, bounds, needed, secret, workedOut } = variableFacts(name);
  const roles = workedOut === undefined ? rolesNeeding(name) : [];
  return [
    ...(bounds === undefined ? [] : [`${bounds}${unit === undefined ? '' : ` ${unit}`}.`]),
    ...(roles.length > 0 ? [`Required: ${roles.join(', ')}.`] : []),
    ...(needed === undefined ? [] : [`Required ${needed}.`]),
    ...(secret ? [`Secret; or \`${name}_FILE\`.`] : []),
  ];
}

/** The text with what stands between the section's markers replaced; null when it has no such markers. */
export function replaceSection(options: {
  readonly text: string;
  readonly section: Section;
  readonly content: string;
}): string | null {
  const [begin, end] = [`<!-- ${options.section}:begin -->`, `<!-- ${options.section}:end -->`];
  const from = options.text.indexOf(begin);
  const to = options.text.indexOf(end, from);
  if (from === -1 || to === -1) return null;
  return `${options.text.slice(0, from)}${begin}\n\n${options.content}\n\n${options.text.slice(to)}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function plain(text: string): string {
  return text.replaceAll('`', '');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
