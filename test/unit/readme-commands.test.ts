// Every command line that the README shows or names can be typed as it stands there: the command exists, takes operands
// where some are given, and has each option.
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { variableNames } from '../../src/config/env-schema.ts';
import { inspectConfig } from '../../src/config/load-config.ts';
import { opsCommands } from '../../src/operations/ops-command.ts';
import { acceptanceHelp } from '../simulator/acceptance-wish.ts';
import { developmentEnvironment } from '../simulator/dev-certificates.ts';
import { storyNames } from '../simulator/stories.ts';
import { operate } from '../support/operator.ts';
import { pkiPaths } from '../support/pki.ts';
import { chapter, namedCommands, pastedCommands, readme, shellBlocks } from '../support/readme.ts';

const isOption = (word: string) => word.startsWith('--');
const common = new Set(['--json', '--help']);

/** What stands behind the `--` of one script, wherever something does. */
function argumentsOf(script: string): string[][] {
  const lines = [...pastedCommands(readme()), ...namedCommands(readme())];
  return lines
    .filter((words) => words[2] === script && words[3] === '--' && words.length > 4)
    .map((words) => words.slice(4));
}

/** What is wrong with a command line, by the help of its command. */
async function opsProblems(line: readonly string[]): Promise<string[]> {
  const [first = '', second = ''] = line;
  const command = [`${first} ${second}`, first].find((name) => opsCommands.includes(name));
  if (command === undefined) return [`there is no ${line.join(' ')}`];
  const words = command.split(' ');
  const { output } = await operate([...words, '--help']);
  const rows = output.split('\n');
  const rowOf = (start: string) => rows.find((row) => row.startsWith(`  ${start} `));
  const unknown = line.filter((word) => isOption(word) && !common.has(word) && rowOf(word) === undefined);
  const takesValue = (word = '') => rowOf(`${word} …`) !== undefined;
  const operands = line.filter(
    (word, index) => index >= words.length && !isOption(word) && !takesValue(line[index - 1]),
  );
  // Its usage goes on with operands, or after two spaces with what it does.
  const takesOperands = !rows.some((row) => row.startsWith(`  ${command}  `));
  return [
    ...unknown.map((option) => `${command} has no ${option}`),
    ...(operands.length > 0 && !takesOperands ? [`${command} takes no ${operands.join(' ')}`] : []),
  ];
}

function simulatorProblems([name = '', ...rest]: readonly string[]): string[] {
  const knows = (option: string) =>
    name === 'acceptance' ? acceptanceHelp.includes(`    ${option} `) : option === '--target';
  const isStory = name === 'acceptance' || storyNames.some((story) => story === name);
  const unknown = rest.filter((word) => isOption(word) && !knows(word));
  return [
    ...(isStory ? [] : [`there is no story ${name}`]),
    ...unknown.map((option) => `${name} has no ${option}`),
  ];
}

describe('a command line of the README', () => {
  it('of the operator is one that the command line takes', async () => {
    const lines = argumentsOf('ops');
    expect(lines.length).toBeGreaterThan(25);
    const problems = await Promise.all(lines.map(opsProblems));
    expect(problems.flat()).toEqual([]);
  });

  it('of the simulator is one that it takes', () => {
    const lines = argumentsOf('simulate');
    expect(lines.map(([name]) => name)).toEqual(expect.arrayContaining(['link-bank', 'acceptance']));
    expect(lines.flatMap(simulatorProblems)).toEqual([]);
  });

  it('that is wrong would be noticed', async () => {
    const wrong = [['nonsense'], ['sweep', '--nonsense'], ['sweep', 'nonsense'], ['events', 'nonsense']];
    for (const line of wrong)
      expect({ line, found: await opsProblems(line) }).not.toMatchObject({ found: [] });
    expect(await opsProblems(['events', 'list', '--since', '1h', '--json'])).toEqual([]);
    expect(simulatorProblems(['link-bank', '--nonsense'])).toHaveLength(1);
    expect(simulatorProblems(['acceptance', '--nonsense'])).toHaveLength(1);
  });
});

it('the README leads to headings that exist', () => {
  const text = readme();
  const headings = [...text.matchAll(/^#{2,} (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  const slugs = new Set(
    headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')),
  );
  const targets = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = '']) => target);
  expect(targets.length).toBeGreaterThan(5);
  expect(targets.filter((target) => !slugs.has(target))).toEqual([]);
});

describe('From demo to production', () => {
  const text = chapter(readme(), '## From demo to production');
  const steps = text.split(/^### /m).slice(1);

  it('has its steps in order, each ending in one command and in what that says when all is well', () => {
    expect(steps.map((step) => step.split('.', 1)[0])).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    for (const step of steps) {
      expect(shellBlocks(step).at(-1)?.trimEnd().split('\n').at(-1)).toMatch(/npm .*run (demo|ops|simulate)/);
      expect(step.slice(step.lastIndexOf('```'))).toMatch(/\bprints\b|\blines?\b/);
    }
  });

  it.each([
    ['.env', ['all']],
    ['staging.env', ['migrate', 'receiver', 'worker']],
    ['acceptance.env', ['migrate', 'receiver', 'worker']],
    ['production.env', ['migrate', 'receiver', 'worker']],
  ] as const)('gives in %s what each role that is started with it needs, and nothing odd', (file, roles) => {
    const env = filledIn(file);
    for (const role of roles) {
      const { config, problems } = inspectConfig(role, env);
      expect({ role, problems: [...problems], warnings: config?.warnings }).toEqual({
        role,
        problems: [],
        warnings: [],
      });
    }
    expect(Object.keys(env).filter((name) => !variables.has(name))).toEqual([]);
  });

  const variables = new Set<string>(variableNames);

  /** What the blocks write into a file, with something in every place that a reader fills in. */
  function filledIn(file: string): Record<string, string | undefined> {
    const name = file.replaceAll('.', '\\.');
    const written = [...text.matchAll(new RegExp(`^cat >>? ${name} <<'END'\n([^]*?)^END$`, 'gm'))];
    const hasKey = text.includes(`echo "PAYLOAD_KEYS=$(openssl rand -base64 32)" >> ${file}\n`);
    const isPrinted = text.includes(`acceptance --print-env > ${file}\n`);
    return {
      ...(isPrinted && developmentEnvironment(setup)),
      ...parseEnv(
        written
          .map(([, lines]) => lines)
          .join('')
          .replaceAll(/<([^>]+)>/g, fill),
      ),
      ...(hasKey && { PAYLOAD_KEYS: Buffer.alloc(32, 1).toString('base64') }),
    };
  }
});

const setup = {
  secret: 'a-secret-of-thirty-two-characters',
  appToken: 'token',
  simulatorPort: 9443,
  webhookUrl: 'https://localhost:8443/webhooks/lean',
  dir: '/setup',
  paths: pkiPaths('/setup'),
  leanApiUrl: 'https://127.0.0.1:9443',
};

function fill(_place: string, what: string): string {
  if (what.startsWith('REDIS')) return 'redis://redis.example:6379';
  if (what.startsWith('POSTGRES')) return 'postgres://somebody@postgres.example/lean';
  return what.endsWith('HOST') ? 'webhooks.example' : 'somewhere_or_something';
}
