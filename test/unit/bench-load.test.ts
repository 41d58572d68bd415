// What the load generator counts: when deliveries are due, how long they took, and where an answer ends. Sends nothing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { poissonArrivals } from '../bench/arrivals.ts';
import { deliveryBody } from '../bench/deliveries.ts';
import { loadReportSchema } from '../bench/load-messages.ts';
import { createLoadRecorder } from '../bench/load-recorder.ts';
import { median } from '../bench/rounds.ts';
import { createReplyReader } from '../bench/replies.ts';

describe('arrivals of the open model', () => {
  const arrivals = [...poissonArrivals({ ratePerSecond: 1_000, forMs: 20_000, seed: 'test' })];
  const gaps = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0));

  it('come at the rate that was asked for, within the time, in order', () => {
    expect(arrivals.length).toBeGreaterThan(19_000);
    expect(arrivals.length).toBeLessThan(21_000);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
    expect(arrivals.at(-1)).toBeLessThan(20_000);
  });

  it('are as uneven as independent senders are: of gaps with a mean of 1 ms half are below ln 2', () => {
    expect(median(gaps)).toBeCloseTo(Math.LN2, 1);
    expect(gaps.filter((gap) => gap > 4).length / gaps.length).toBeCloseTo(Math.exp(-4), 2);
  });

  it('are the same for every subject', () => {
    const again = poissonArrivals({ ratePerSecond: 1_000, forMs: 20_000, seed: 'test' });
    expect([...again]).toEqual(arrivals);
  });
});

describe('the recorder', () => {
  it('gives percentiles of what was measured, and leaves the warm-up out of them but not out of the statuses', () => {
    const recorder = createLoadRecorder(({ nowMs }) => nowMs >= 1_000);
    recorder.answer({ sinceMs: 0, nowMs: 900, status: 200 });
    for (let ms = 1; ms <= 1_000; ms += 1)
      recorder.answer({ sinceMs: 1_000, nowMs: 1_000 + ms, status: 200 });
    const report = recorder.report({ seconds: 1 });
    expect(report).toMatchObject({ answered: 1_000, statuses: { 200: 1_001 }, unanswered: 0 });
    expect(report.p50Ms).toBeCloseTo(500, -1);
    expect(report.p99Ms).toBeCloseTo(990, -1);
    expect(report.p999Ms).toBeCloseTo(999, -1);
  });

  it('has no latency where nothing was measured: a zero would be the best there is', () => {
    const sent = createLoadRecorder(() => true).report({ seconds: 1 });
    expect(sent).toMatchObject({ answered: 0, p50Ms: null, p99Ms: null });
    expect(loadReportSchema.parse(JSON.parse(JSON.stringify(sent)))).toMatchObject({ p99Ms: Number.NaN });
  });

  it('counts what was never answered with the time it was waited for', () => {
    const recorder = createLoadRecorder(() => true);
    recorder.answer({ sinceMs: 0, nowMs: 1, status: 200 });
    recorder.unanswered(10_000);
    expect(recorder.report({ seconds: 1 })).toMatchObject({ answered: 1, unanswered: 1 });
    expect(recorder.report({ seconds: 1 }).maxMs).toBeCloseTo(10_000, -2);
  });
});

function answer(status: number, body: string): string {
  return `HTTP/1.1 ${status} Said\r\ncontent-type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

describe('the reader of answers', () => {
  it('finds every status however the bytes are cut', () => {
    const bytes = Buffer.from(answer(200, '') + answer(503, 'HTTP/1.1 999\r\n\r\n') + answer(200, 'ok'));
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (places) => {
        const statuses: number[] = [];
        const read = createReplyReader((status) => statuses.push(status));
        const cuts = [0, ...places.toSorted((left, right) => left - right), bytes.length];
        cuts.forEach((cut, index) => {
          // As a connection hands it over: in memory that holds something else afterwards.
          const chunk = Buffer.from(bytes.subarray(cuts[index - 1] ?? 0, cut));
          read(chunk);
          chunk.fill(0);
        });
        expect(statuses).toEqual([200, 503, 200]);
      }),
      { numRuns: 100 },
    );
  });

  it('does not guess where an answer without a length ends', () => {
    const read = createReplyReader(() => undefined);
    expect(() => read(Buffer.from('HTTP/1.1 200 OK\r\n\r\n'))).toThrow('no Content-Length');
  });
});

describe('a delivery', () => {
  it.each([1_024, 20_480])('has a body of exactly %d bytes and an id of its own', (bytes) => {
    const bodies = [1, 2].map(() => deliveryBody({ type: 'payment.updated', bytes }));
    expect(bodies.map((body) => Buffer.byteLength(body))).toEqual([bytes, bytes]);
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ type: 'payment.updated' });
    expect(bodies[0]).not.toBe(bodies[1]);
  });
});
