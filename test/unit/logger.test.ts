// Whatever is handed to the logger, a line is one JSON object with listed fields and no raw control character.
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { withDeadline } from '../../src/core/deadline.ts';
import { createLogger, cleanText, type LogLevel } from '../../src/observability/logger.ts';
import { createStandardOutput } from '../../src/observability/standard-output.ts';
import { expectInTime } from '../support/eventually.ts';

function capture(level: LogLevel = 'info') {
  const lines: string[] = [];
  const logger = createLogger({
    level,
    role: 'receiver',
    destination: { write: (line) => void lines.push(line) },
  });
  const only = (): Record<string, unknown> => {
    expect(lines).toHaveLength(1);
    return JSON.parse(lines[0] ?? '');
  };
  return { logger, lines, only };
}

function rename(person: { name?: string }): void {
  person.name = 'x';
}

function allocate(bytes: number): Buffer {
  return Buffer.alloc(bytes);
}

function misplaced(): never {
  throw new TypeError('no\n    at canary.ts:1:2');
}

function thrownBy(mistake: () => unknown): unknown {
  try {
    mistake();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

const accepted = { outcome: 'accepted', http_status: 200, body_bytes: 512, duration_ms: 3.2 };

describe('a log line', () => {
  it('is the event with its fields, the role, the process and the time', () => {
    const { logger, only } = capture();
    logger.write('delivery', accepted);
    expect(only()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      role: 'receiver',
      pid: process.pid,
      msg: 'delivery',
      ...accepted,
    });
  });

  it('is as loud as its failure code says, whether outcome or field', () => {
    const { logger, lines } = capture();
    logger.write('delivery', { ...accepted, outcome: 'SIGNATURE_INVALID', http_status: 401 });
    logger.write('forward', { outcome: 'add_failed', failure_code: 'NOT_DURABLE' });
    logger.write('publish', { outcome: 'done' });
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error']);
  });

  it('leaves out what is not listed for its event', () => {
    const { logger, only } = capture();
    const fields = { ...accepted, body: 'canary', headers: { authorization: 'canary' }, iban: 'canary' };
    logger.write('delivery', fields);
    expect(JSON.stringify(only())).not.toContain('canary');
  });

  it('leaves out a value of another kind than its field has', () => {
    const { logger, only } = capture();
    const fields: Record<string, unknown> = {
      ...accepted,
      verify_ms: Number.NaN,
      proof: { secret: 'canary' },
    };
    logger.write('delivery', { ...accepted, ...fields });
    expect(only()).not.toHaveProperty('verify_ms');
    expect(only()).not.toHaveProperty('proof');
  });

  it('cuts text and holds no raw control, direction or lone surrogate character', () => {
    const { logger, lines, only } = capture();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        lines.length = 0;
        logger.write('delivery', { ...accepted, remote_address: `\r\n{"level":60}\u202e\u001b[2J${text}` });
        expect(lines[0]?.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
        const shown = String(only()['remote_address']);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
        expect(shown.length).toBeLessThanOrEqual(200);
      }),
    );
  });

  it('spells out what it cannot show', () => {
    expect(cleanText('a\r\nb\u202ec')).toBe('a\\u{d}\\u{a}b\\u{202e}c');
  });
});

describe('an error in a log line', () => {
  it('is its code and message with the cause, never a stack', () => {
    const { logger, only } = capture();
    const cause = Object.assign(new Error('ENOSPC: no space left, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    logger.write('delivery', {
      ...accepted,
      error: new AppError('NOT_DURABLE', 'the commit failed', { cause }),
    });
    expect(only()).toMatchObject({
      level: 'error',
      failure_code: 'NOT_DURABLE',
      error: 'NOT_DURABLE: the commit failed <- Error ENOSPC: ENOSPC: no space left, write',
    });
    expect(JSON.stringify(only())).not.toContain('.test.ts');
  });

  it('keeps to name and code where the wording could quote a payload', () => {
    const { logger, lines } = capture();
    const database = Object.assign(new Error('invalid input syntax: "canary"'), {
      code: '22P02',
      detail: 'canary',
    });
    for (const error of [
      database,
      new SyntaxError('Unexpected token, "canary" is not valid JSON'),
      'canary',
      { canary: 1 },
    ])
      logger.write('crashed', { error });
    expect(lines).toHaveLength(4);
    expect(lines.join('')).not.toContain('canary');
    expect(lines[0]).toContain('22P02');
  });

  it('says where a mistake of ours was made', () => {
    const { logger, only } = capture();
    logger.write('crashed', { error: new TypeError('x is not a function') });
    expect(only()).toMatchObject({
      error: 'TypeError',
      error_at: expect.stringMatching(/^logger\.test\.ts:\d+:\d+$/),
    });
  });

  it('says where, too, when the mistake is the cause of an error of ours', () => {
    const { logger, only } = capture();
    const cause = new TypeError('canary');
    logger.write('crashed', { error: new AppError('NOT_DURABLE', 'the commit failed', { cause }) });
    expect(only()).toMatchObject({
      error: 'NOT_DURABLE: the commit failed <- TypeError',
      error_at: expect.stringMatching(/^logger\.test\.ts:\d+:\d+$/),
    });
  });

  it.each([
    ['an argument of the wrong type', () => Reflect.apply(allocate, null, ['canary-AE07']), 'canary'],
    ['a text taken for an object', () => Reflect.apply(rename, null, ['canary-Ahmed']), 'canary'],
    ['an amount that is no whole number', () => BigInt(1234.56), '1234.56'],
    ['a message that looks like a place', () => misplaced(), 'canary'],
  ])('quotes nothing of %s', (_, mistake, canary) => {
    const { logger, lines } = capture();
    const error = thrownBy(mistake);
    logger.write('crashed', { error });
    logger.write('crashed', { error: new AppError('NOT_DURABLE', 'the commit failed', { cause: error }) });
    expect(lines).toHaveLength(2);
    expect(lines.join('')).not.toContain(canary);
    expect(lines.join('')).toMatch(/TypeError|RangeError/);
  });

  it('holds no raw control character and stays short, whatever name, code or message an error has', () => {
    const { logger, lines } = capture();
    const tricks = [
      '\r\n{"level":"error","msg":"forged"}',
      '\u202e\u0085\u009b\u2028\u200b\ud800',
      'x'.repeat(100_000),
    ];
    for (const trick of tricks) {
      const error = Object.assign(new Error(trick), { name: trick, code: trick, syscall: trick });
      logger.write('crashed', { error });
      logger.write('delivery', { ...accepted, outcome: trick, error: new AppError('NOT_DURABLE', trick) });
    }
    for (const line of lines) {
      expect(line.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      expect(JSON.parse(line)).not.toHaveProperty('msg', 'forged');
      expect(line.length).toBeLessThan(1_000);
    }
  });

  it('keeps the words of a deadline', async () => {
    const { logger, only } = capture();
    const never = new Promise<void>(() => {});
    const error = await withDeadline(never, { deadlineMs: 1, what: 'asking' }).catch((late: unknown) => late);
    logger.write('crashed', { error });
    expect(only()).toMatchObject({ error: 'DeadlineError: asking: no answer within 1 ms' });
  });
});

function stalled() {
  const taken: string[] = [];
  const stream = {
    writableLength: 0,
    write(text: string) {
      taken.push(text);
      stream.writableLength += text.length;
      return false;
    },
    on: () => stream,
  };
  return { stream, taken, output: createStandardOutput(stream) };
}

describe('standard output', () => {
  it('keeps a bounded number of lines nobody takes, drops further ones, and says how many once there is room', async () => {
    const { stream, taken, output } = stalled();
    const line = 'x'.repeat(64 * 1024);
    for (let count = 0; count < 200; count += 1) output.write(line);
    await nextTurn();
    expect(taken.join('')).toHaveLength(128 * line.length);
    expect(output.takeDropped()).toBe(0);
    stream.writableLength = 0;
    expect(output.takeDropped()).toBe(72);
    expect(output.takeDropped()).toBe(0);
  });

  it('hands the lines of one turn of the event loop over together', async () => {
    const { taken, output } = stalled();
    for (const line of ['one\n', 'two\n']) output.write(line);
    await nextTurn();
    output.write('three\n');
    await nextTurn();
    expect(taken).toEqual(['one\ntwo\n', 'three\n']);
  });

  it('hands over what the end of the process must not lose', () => {
    const { taken, output } = stalled();
    output.write('the last line\n');
    void output.flush();
    expect(taken).toEqual(['the last line\n']);
  });

  it('does not wait long for a reader that takes nothing', async () => {
    const { output, taken } = stalled();
    output.write('a line');
    const startedAt = performance.now();
    await output.flush();
    expectInTime(performance.now() - startedAt, 5_000);
    expect(taken).toEqual(['a line']);
  });
});
