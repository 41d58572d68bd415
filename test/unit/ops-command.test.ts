// The operator's command line itself: its help is the contract's list, it keeps its pace, and it knows what it was told.
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/core/clock.ts';
import { operatorOf, runPaced } from '../../src/operations/operator-change.ts';
import { UsageError, type CommandCall } from '../../src/operations/operator-command.ts';
import { oneLine, redacted, safeJson } from '../../src/operations/operator-output.ts';
import { timeOption } from '../../src/operations/operator-times.ts';
import { opsCommands } from '../../src/operations/ops-command.ts';
import { operate } from '../support/operator.ts';

/** The contract's row of `npm run ops`; a command that is not built yet does not fail, one that is not in it does. */
const contract = [
  'doctor',
  'events list',
  'events show',
  'events replay',
  'quarantine list',
  'quarantine show',
  'quarantine replay',
  'quarantine discard',
  'journal status',
  'journal drain',
  'sync',
  'sweep',
  'refresh',
  'renormalize',
  'certificates check',
  'certificates observe',
  'erase',
  'sql',
];
const built = contract.filter((name) =>
  /^(doctor|events|quarantine|journal|certificates|sync|sweep|refresh|erase|sql)/.test(name),
);

it('inside npm start runs what is about rows, and nothing that reaches beyond them', async () => {
  for (const argv of [
    ['erase', 'customer', '--yes'],
    ['journal', 'status'],
    ['doctor'],
    ['sql', 'select 1'],
  ]) {
    const { code, output } = await operate(argv, { onRowsOnly: true });
    expect([code, output]).toEqual([2, 'this command is not run inside npm start']);
  }
  expect((await operate(['events', 'nonsense'], { onRowsOnly: true })).output).toContain('npm run ops -- <');
});

describe('the help', () => {
  it('names every command once, and only those of the contract', async () => {
    const { code, output } = await operate(['--help']);
    expect(code).toBe(0);
    expect(contract).toEqual(expect.arrayContaining([...opsCommands]));
    expect(opsCommands).toEqual(expect.arrayContaining(built));
    for (const name of opsCommands)
      expect(output.split('\n').filter((line) => line.startsWith(`  ${name}`))).toHaveLength(1);
  });

  it('of every command tells its options, and changes nothing', async () => {
    for (const name of opsCommands) {
      const { code, output } = await operate([...name.split(' '), '--help']);
      expect({ name, code }).toEqual({ name, code: 0 });
      expect(output).toContain(`  ${name}`);
      expect(output).toContain('exit: 0 ok, 1 warning, 2 problem');
    }
  });

  it('of every command that changes something offers a dry run, a yes and a name', async () => {
    for (const name of [
      'events replay',
      'quarantine replay',
      'quarantine discard',
      'journal drain',
      'erase',
    ]) {
      const { output } = await operate([...name.split(' '), '--help']);
      for (const option of ['--dry-run', '--yes', '--as']) expect(output).toContain(option);
    }
  });

  it('follows what makes no sense, with exit code 2', async () => {
    for (const argv of [
      [],
      ['nothing'],
      ['events'],
      ['events', 'list', '--wrong'],
      ['events', 'show'],
      ['erase'],
    ])
      expect({ argv, code: (await operate(argv)).code }).toEqual({ argv, code: 2 });
  });

  it('says first which option it does not know, or which lacks its value', async () => {
    expect(await firstLineOf('sync', 'entity', '--yes')).toBe("Unknown option '--yes'");
    expect(await firstLineOf('sync', 'entity', '--\u001B[31m')).not.toContain('\u001B');
    expect(await firstLineOf('events', 'list', '--since')).toContain("'--since <value>' argument missing");
  });
});

async function firstLineOf(...argv: string[]): Promise<string> {
  return (await operate(argv)).output.split('\n', 1).join('');
}

/** A clock that jumps to whatever is waited for. */
function jumpingClock(): Clock & { waitedMs: number[] } {
  let at = 0;
  const waitedMs: number[] = [];
  return {
    waitedMs,
    nowMs: () => at,
    after(ms, run) {
      waitedMs.push(ms);
      at += ms;
      queueMicrotask(run);
      return () => undefined;
    },
  };
}

describe('paced work', () => {
  const never = new AbortController().signal;

  it('does at most so many a second, the last second not waited for', async () => {
    const clock = jumpingClock();
    const asked: number[] = [];
    const step = (limit: number) => Promise.resolve(asked.push(limit) && limit);
    const result = await runPaced({
      perSecond: 10,
      total: 25,
      step,
      stop: never,
      onProgress: () => undefined,
      clock,
    });
    expect(result).toEqual({ done: 25, isInterrupted: false });
    expect(asked).toEqual([10, 10, 5]);
    expect(clock.waitedMs).toEqual([1_000, 1_000]);
  });

  it('ends where there is less than there was, and between two steps when it is told', async () => {
    const clock = jumpingClock();
    const answers = [10, null];
    const step = () => Promise.resolve(answers.shift() ?? null);
    const options = { perSecond: 10, total: 25, stop: never, onProgress: () => undefined, clock };
    expect(await runPaced({ ...options, step })).toEqual({ done: 10, isInterrupted: false });
    const stopping = new AbortController();
    const stopAfterOne = (limit: number) => {
      stopping.abort();
      return Promise.resolve(limit);
    };
    expect(await runPaced({ ...options, step: stopAfterOne, stop: stopping.signal })).toEqual({
      done: 10,
      isInterrupted: true,
    });
  });
});

const called = (values: CommandCall['values']): CommandCall => ({
  operands: [],
  values,
  flags: new Set(),
  json: false,
});

describe('what an operator types', () => {
  it('as a time is a day in UTC, a moment with its zone, or how long ago, and nothing else', () => {
    const now = new Date('2026-11-22T12:00:00Z');
    const read = (text: string) => timeOption(called({ since: text }), { name: 'since', now })?.toISOString();
    expect(read('2026-11-20')).toBe('2026-11-20T00:00:00.000Z');
    expect(read('2026-11-20T10:30:00+02:00')).toBe('2026-11-20T08:30:00.000Z');
    expect([read('90m'), read('24h'), read('7d')]).toEqual([
      '2026-11-22T10:30:00.000Z',
      '2026-11-21T12:00:00.000Z',
      '2026-11-15T12:00:00.000Z',
    ]);
    for (const odd of ['', '2026-11-20T10:30:00', '2026-11-31', 'yesterday', '5w', '-1h'])
      expect(() => read(odd)).toThrow(UsageError);
  });

  it('as a name is kept as it is, and has no character that a log or a terminal obeys', () => {
    const context = { operator: 'root' };
    const name = (as?: string) => operatorOf(called({ as }), context);
    expect([name(), name('Amal')]).toEqual(['root', 'Amal']);
    for (const odd of ['', 'a\nb', '\u001B[31m', 'x'.repeat(101)])
      expect(() => name(odd)).toThrow(UsageError);
  });
});

describe('what is shown', () => {
  it('of a body without --body are names and kinds, no value', () => {
    expect(redacted({ a: 'secret', b: [1, null, { c: true }] })).toEqual({
      a: '<text>',
      b: ['<number>', null, { c: '<boolean>' }],
    });
  });

  it('has no character that a terminal obeys, and as JSON is still the same value', () => {
    const evil = { text: 'a\u001B[31m\u009B\u202E\u2028\u{E0001}\r\nb' };
    const json = safeJson(evil);
    expect(json).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    expect(JSON.parse(json)).toEqual(evil);
    expect(oneLine(evil.text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  });
});
