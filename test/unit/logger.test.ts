// Whatever is handed to the logger, a line is one JSON object with listed fields and no raw control character.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { createLogger, cleanText, type LogLevel } from '../../src/observability/logger.ts';

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
      error: 'TypeError: x is not a function',
      error_at: expect.stringMatching(/^logger\.test\.ts:\d+:\d+$/),
    });
  });
});
