// `npm run bench -- [names…] [--quick] [--rounds N]`: measures the service beside what one would pick instead, scenario by
// scenario, and writes bench-results.json after each; a quick run writes none, so that it never takes the place of figures.
// Exit 1 only when something did not work; a missed target is a word in the table.
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { root } from '../support/processes.ts';
import { describeMachine, machineLine } from './machine.ts';
import { judge, median, spread } from './rounds.ts';
import type { Figure, Ratio, Scenario, ScenarioResult } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { figuresTable, ratiosTable, type Named } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string', default: '5' } },
});
const resultsFile = path.join(root, 'bench-results.json');
const lateProblem = 'it did not end in time';
/** Beyond it the scenario hangs, and the whole run ends: what it started would be in the way of the next. */
const scenarioLimitMs = values.quick ? 120_000 : 1_800_000;

interface Outcome {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  readonly result: ScenarioResult | null;
  readonly problem: string | null;
}

interface Shown {
  readonly figures: readonly Named<Figure>[];
  readonly ratios: readonly Named<Ratio>[];
}

/** Of the scenario that runs. */
let openFolder: string | null = null;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function chosen(): readonly Scenario[] {
  const unknown = positionals.filter((name) => scenarios.every((scenario) => scenario.name !== name));
  if (unknown.length > 0) {
    const names = scenarios.map(({ name, title }) => `  ${name.padEnd(20)} ${title}`).join('\n');
    throw new Error(`no scenario is called ${unknown.join(', ')}; there are:\n${names}`);
  }
  return positionals.length === 0 ? scenarios : scenarios.filter(({ name }) => positionals.includes(name));
}

function roundsAsked(): number {
  const rounds = values.quick ? 1 : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1');
  return rounds;
}

async function runOne(scenario: Scenario, rounds: number): Promise<Outcome> {
  const { name, title } = scenario;
  say(`\n${name}: ${title}`);
  const folder = await mkdtemp(path.join(tmpdir(), `lean-bench-${name}-`));
  openFolder = folder;
  const startedMs = performance.now();
  const secondsSince = (): number => Math.round((performance.now() - startedMs) / 100) / 10;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(lateProblem)), scenarioLimitMs);
  try {
    const result = await Promise.race([scenario.run({ quick: values.quick, rounds, say, folder }), late]);
    show(result);
    say(`\n${name} took ${secondsSince()} s`);
    return { name, title, seconds: secondsSince(), result, problem: null };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${inspect(error)}\n`);
    return { name, title, seconds: secondsSince(), result: null, problem };
  } finally {
    clearTimeout(timer);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    openFolder = null;
  }
}

function show({ figures, ratios }: Shown): void {
  if (figures.length > 0) say(figuresTable(figures));
  if (ratios.length > 0) say(`\n${ratiosTable(ratios)}`);
}

function showAll(outcomes: readonly Outcome[]): void {
  say('\nAll of it:');
  show({
    figures: outcomes.flatMap(({ name: scenario, result }) =>
      (result?.figures ?? []).map((line) => Object.assign({ scenario }, line)),
    ),
    ratios: outcomes.flatMap(({ name: scenario, result }) =>
      (result?.ratios ?? []).map((line) => Object.assign({ scenario }, line)),
    ),
  });
}

/** With what the table says of each line's rounds; a value that was not measured is null. */
function told({ result, ...outcome }: Outcome): object {
  const { figures = [], ratios = [] } = result ?? {};
  return {
    ...outcome,
    figures: figures.map(summed),
    ratios: ratios.map((line) =>
      Object.assign(summed(line), { verdict: line.target && judge(line.target, line.rounds) }),
    ),
  };
}

function summed<Line extends { readonly rounds: readonly number[] }>(line: Line) {
  return Object.assign({ median: median(line.rounds), ...spread(line.rounds) }, line);
}

async function writeResults(results: object): Promise<void> {
  await writeFile(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
}

async function main(): Promise<number> {
  const [list, rounds] = [chosen(), roundsAsked()];
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  say(`${startedAt}: ${machineLine(machine)}`);
  if (values.quick) say('quick: whether it works; the figures say nothing');
  const outcomes: Outcome[] = [];
  for (const scenario of list) {
    const outcome = await runOne(scenario, rounds);
    outcomes.push(outcome);
    if (!values.quick) await writeResults({ startedAt, machine, rounds, scenarios: outcomes.map(told) });
    if (outcome.problem === lateProblem) break;
  }
  if (outcomes.length > 1) showAll(outcomes);
  const broken = outcomes.filter(({ problem }) => problem !== null);
  for (const { name, problem } of broken) say(`${name} did not work: ${problem}`);
  say(`\n${outcomes.map(({ name, seconds }) => `${name} ${seconds.toFixed(0)} s`).join(', ')}`);
  if (!values.quick) say(`${path.relative(root, resultsFile)} is written`);
  return broken.length > 0 ? 1 : 0;
}

// What was started ends with this process in an orderly way only; its folder goes after it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    process.once('exit', () => {
      if (openFolder !== null) rmSync(openFolder, { recursive: true, force: true, maxRetries: 5 });
    });
    process.exit(1);
  });
}

try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
