// The figures of the status page: what a receiver answered lately, and how figures and foreign text are written.
import { describe, expect, it } from 'vitest';
import { createDeliveryFlow, flowSlotMs } from '../../src/operations/delivery-flow.ts';
import { html } from '../../src/operations/html.ts';
import { concludedFlow } from '../../src/operations/status-sections.ts';
import { count, duration, mebibytes } from '../../src/operations/status-words.ts';

const start = Date.parse('2026-05-01T10:00:00Z');
const totals = (values: Record<string, number>) => new Map(Object.entries(values));

describe('the flow of deliveries', () => {
  it('counts in each stretch of five minutes what was new in it, by the counter', () => {
    const flow = createDeliveryFlow();
    flow.add(totals({ accepted: 10, NOT_FOUND: 1 }), start);
    flow.add(totals({ accepted: 12, NOT_FOUND: 1 }), start + flowSlotMs - 1);
    flow.add(totals({ accepted: 15, NOT_FOUND: 3 }), start + flowSlotMs);
    const lately = flow.lately(3, start + flowSlotMs);
    expect(lately.map(({ accepted, refused }) => [accepted, refused])).toEqual([
      [0, 0],
      [12, 1],
      [3, 2],
    ]);
    expect(lately.map(({ startsMs }) => startsMs)).toEqual([start - flowSlotMs, start, start + flowSlotMs]);
  });

  it('keeps refusals for a day, the most frequent first, and forgets older ones', () => {
    const flow = createDeliveryFlow();
    flow.add(totals({ BAD_REQUEST: 9 }), start);
    flow.add(totals({ BAD_REQUEST: 10, NOT_FOUND: 5, accepted: 4 }), start + flowSlotMs);
    const day = 86_400_000;
    const refused = (nowMs: number) =>
      flow.refusals(nowMs).map(({ outcome, count: number }) => [outcome, number]);
    expect(refused(start + flowSlotMs)).toEqual([
      ['BAD_REQUEST', 10],
      ['NOT_FOUND', 5],
    ]);
    expect(refused(start + day)).toEqual([
      ['NOT_FOUND', 5],
      ['BAD_REQUEST', 1],
    ]);
    expect(refused(start + day + flowSlotMs)).toEqual([]);
  });
});

describe('figures', () => {
  it.each([
    [0, '0 s'],
    [119.9, '119 s'],
    [120, '2 min'],
    [7_199, '119 min'],
    [7_200, '2 h 0 min'],
    [172_800, '2 days'],
    [-5, '0 s'],
    [Infinity, 'never'],
  ])('%s seconds are %s', (seconds, words) => expect(duration(seconds)).toBe(words));

  it('have their units and their thousands', () => {
    expect([count(1_234_567), mebibytes(1_048_576), mebibytes(1_073_741_824)]).toEqual([
      '1,234,567',
      '1.0 MiB',
      '1,024 MiB',
    ]);
  });
});

describe('what was concluded', () => {
  const note = 'Of one kind the latest 100,000 are counted';
  const now = new Date(start);
  const counted = (what: 'events' | 'syncs', state: string, number: number) => ({
    what,
    state,
    slotStartsAt: now,
    count: number,
  });
  const markupOf = (...counts: ReturnType<typeof counted>[]) => concludedFlow(counts, now).markup;

  it('says that it was cut where a limit was met, and not where several kinds together make as many', () => {
    const uncut = [counted('events', 'processed', 60_000), counted('events', 'ignored', 50_000)];
    expect(markupOf(...uncut, counted('syncs', 'done', 99_999))).not.toContain(note);
    expect(markupOf(counted('events', 'processed', 100_000))).toContain(note);
    expect(markupOf(counted('syncs', 'done', 60_000), counted('syncs', 'failed', 40_000))).toContain(note);
  });
});

it('a template lets no text be markup', () => {
  const hostile = `"'><script>alert(1)</script>&\u202E\n`;
  const { markup } = html`<b title="${hostile}">${[html`${hostile}`]}${1}</b>`;
  const safe = '&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;\uFFFD\uFFFD';
  expect(markup).toBe(`<b title="${safe}">${safe}1</b>`);
});
