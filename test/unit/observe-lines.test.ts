// The observer's lines: so many of a kind in a minute, and a word on those that were left out.
import { expect, it } from 'vitest';
import { createObserverLines } from '../../src/operations/observe-lines.ts';

it('shows 20 of a kind in a minute, and says at the next how many had no lines', () => {
  let nowMs = 0;
  const lines = createObserverLines(() => nowMs);
  const take = (kind: string, times: number) => Array.from({ length: times }, () => lines.take(kind));
  expect(take('a', 23)).toEqual([...Array.from({ length: 20 }, () => 0), null, null, null]);
  expect(lines.take('b')).toBe(0);
  nowMs = 59_999;
  expect(lines.take('a')).toBeNull();
  nowMs = 60_000;
  expect(take('a', 21)).toEqual([4, ...Array.from({ length: 19 }, () => 0), null]);
  expect(lines.leftOut()).toBe(5);
});
