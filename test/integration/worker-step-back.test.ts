// How a job steps back from an engine that is away.
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { StatementTimeout } from '../../src/store/statement-limit.ts';
import { createStepBack } from '../../src/worker/step-back.ts';

const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const shuttingDown = Object.assign(new Error('terminating connection'), { code: '57P01' });
const reachable = { databaseIsAway: () => false };
const unreachable = { databaseIsAway: () => true };
const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01' });

describe('stepping back', () => {
  it.each([
    ['a refused connection', refused],
    ['a server that shuts down', shuttingDown],
    ['a deadlock', deadlock],
    ['a connection lost without a code', new Error('Connection terminated unexpectedly')],
    ['one of them as a cause', new Error('writing failed', { cause: refused })],
  ])('follows %s', (_what, error) => {
    expect(createStepBack(reachable).delayFor(error)).toMatchObject({ code: 'DATABASE_AWAY' });
  });

  it.each([
    ['a statement without an answer', new StatementTimeout('no answer')],
    ["pg's own word for one", new Error('Query read timeout')],
    ['a cancelled statement', Object.assign(new Error('canceling statement'), { code: '57014' })],
    ['a lock not given in time', Object.assign(new Error('lock not available'), { code: '55P03' })],
  ])('follows %s while the database is away, and has it spend an attempt otherwise', (_what, error) => {
    expect(createStepBack(unreachable).delayFor(error)).toMatchObject({ code: 'DATABASE_AWAY' });
    expect(createStepBack(reachable).delayFor(error)).toBeNull();
  });

  it('follows an unreachable queue', () => {
    const error = new AppError('QUEUE_UNAVAILABLE', 'adding jobs took too long');
    expect(createStepBack(reachable).delayFor(error)).toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  });

  it.each([
    ['a duplicate key', Object.assign(new Error('duplicate key'), { code: '23505' })],
    ['a missing table', Object.assign(new Error('no such table'), { code: '42P01' })],
    ['a mistake of ours', new TypeError('undefined is not a function')],
    ['something that is no error', 'away'],
  ])('does not follow %s', (_what, error) => {
    expect(createStepBack(reachable).delayFor(error)).toBeNull();
  });

  it('is short at first, whatever the number of jobs, and never longer than 30 s', () => {
    let nowMs = 0;
    const stepBack = createStepBack({ ...reachable, random: () => 0.999, nowMs: () => nowMs });
    for (let job = 0; job < 100; job += 1) {
      expect(stepBack.delayFor(refused)?.delayMs).toBeLessThanOrEqual(1_200);
    }
    nowMs = 10_000;
    expect(stepBack.delayFor(refused)?.delayMs).toBeLessThanOrEqual(10_000);
    for (const hours of [1, 24, 24 * 365]) {
      nowMs = hours * 3_600_000;
      expect(stepBack.delayFor(refused)?.delayMs).toBeLessThanOrEqual(30_000);
      expect(stepBack.delayFor(refused)?.delayMs).toBeGreaterThan(20_000);
    }
    stepBack.answered();
    expect(stepBack.delayFor(refused)?.delayMs).toBeLessThanOrEqual(1_200);
  });
});
