import { expect, it } from 'vitest';
import { createTurns, NoTurnError } from '../../src/core/turns.ts';

it('runs no more at a time than allowed, in the order they came, also where one fails', async () => {
  const takeTurns = createTurns(2);
  const started: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = Array.from({ length: 5 }, (_, place) =>
    takeTurns(async () => {
      started.push(place);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
      return place;
    }),
  );
  const settled = Promise.allSettled(all);
  await Promise.resolve();
  expect(started).toEqual([0, 1]);
  ends[1]?.reject(new Error('odd'));
  await expect(all[1]).rejects.toThrow('odd');
  expect(started).toEqual([0, 1, 2]);
  for (const place of [0, 2, 3, 4]) {
    ends[place]?.resolve();
    expect(await all[place]).toBe(place);
  }
  expect((await settled).filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
  expect(await takeTurns(async () => 'again')).toBe('again');
});

it('whoever is called off while waiting leaves the line, and nobody loses a turn by it', async () => {
  const takeTurns = createTurns(1);
  const first = Promise.withResolvers<void>();
  const running = takeTurns(() => first.promise);
  const callOff = new AbortController();
  const calledOff = takeTurns(async () => 'never', callOff.signal);
  const last = takeTurns(async () => 'at last', new AbortController().signal);
  callOff.abort();
  await expect(calledOff).rejects.toThrow(NoTurnError);
  await expect(takeTurns(async () => 'never', callOff.signal)).rejects.toThrow(NoTurnError);
  first.resolve();
  await running;
  expect(await last).toBe('at last');
  expect(await takeTurns(async () => 'again')).toBe('again');
});
