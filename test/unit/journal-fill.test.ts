// How long the journal's room lasts: told from what it grew by lately, never from longer ago.
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createFillWindow, secondsUntilFull } from '../../src/receiver/journal-fill.ts';

describe('the seconds until the journal is full', () => {
  it('are the room up to 90 % of the limit over the rate of growth', () => {
    const samples = [
      { atMs: 0, bytes: 100 },
      { atMs: 10_000, bytes: 200 },
    ];
    // 900 - 200 bytes at 10 bytes a second.
    expect(secondsUntilFull(samples, 1_000)).toBe(70);
  });

  it('are 0 from 90 % on, and without end while it shrinks, rests, or has been seen once', () => {
    expect(secondsUntilFull([{ atMs: 0, bytes: 900 }], 1_000)).toBe(0);
    const shrinking = [
      { atMs: 0, bytes: 500 },
      { atMs: 1_000, bytes: 400 },
    ];
    const resting = shrinking.map(({ atMs }) => ({ atMs, bytes: 500 }));
    for (const samples of [shrinking, resting, shrinking.slice(1), []])
      expect(secondsUntilFull(samples, 1_000)).toBe(Infinity);
  });

  it('look back five minutes and no further, however long the process runs', () => {
    const window = createFillWindow();
    for (let second = 0; second < 36_000; second += 1) window.add({ atMs: second * 1_000, bytes: 0 });
    expect(window.secondsUntilFull(1_000)).toBe(Infinity);
    for (let second = 1; second <= 300; second += 1)
      window.add({ atMs: (35_999 + second) * 1_000, bytes: second });
    expect(window.secondsUntilFull(1_000)).toBe(600);
  });

  it('follow an outage that began a minute ago, whatever the minutes before were like', () => {
    const window = createFillWindow();
    for (let second = 0; second <= 300; second += 1)
      window.add({ atMs: second * 1_000, bytes: Math.max(0, second - 240) });
    expect(window.secondsUntilFull(1_000)).toBe(840);
  });

  it('are a gauge that Prometheus reads, also when there is no end', async () => {
    const metrics = createMetrics({ processMetrics: false });
    metrics.journalSecondsUntilFull.set(Infinity);
    expect(await metrics.registry.metrics()).toContain('lean_journal_seconds_until_full +Inf');
    metrics.close();
  });
});
