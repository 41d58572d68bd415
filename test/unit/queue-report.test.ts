// What a worker writes about its queues: an outage is two lines, however many of its runners meet it and however often.
import { expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { queueNames } from '../../src/queue/queue-names.ts';
import { createQueueReport } from '../../src/worker/queue-report.ts';
import { createRecordingLogger } from '../support/silent-logger.ts';

function reporting() {
  const { logger, lines } = createRecordingLogger();
  const report = createQueueReport({ logger });
  const said = () => lines.map(({ fields }) => `${String(fields['queue'])} ${String(fields['outcome'])}`);
  return { runners: queueNames.map(report), said, lines };
}

it('is one line when the first of its runners loses Redis, and one when the last has it again', () => {
  const { runners, said, lines } = reporting();
  const error = new AppError('QUEUE_UNAVAILABLE', 'Redis cannot be reached');
  for (let outage = 1; outage <= 2; outage += 1) {
    for (const tell of runners) {
      tell({ kind: 'error', error: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
      tell({ kind: 'lost', error });
    }
    expect(said().at(-1)).toBe('redis lost');
    for (const [index, tell] of runners.entries()) tell({ kind: 'back', outageMs: index });
    expect(said()).toHaveLength(2 * outage);
  }
  expect(said()).toEqual(['redis lost', 'redis back', 'redis lost', 'redis back']);
  expect(lines.map(({ fields }) => fields['duration_ms'])).toEqual([undefined, 2, undefined, 2]);
});

it('has a line for what is no outage, and not for each of a flood', () => {
  const { runners, said } = reporting();
  for (let time = 0; time < 100; time += 1) {
    for (const tell of runners) tell({ kind: 'error', error: new Error('nobody expected this') });
  }
  expect(said()).toEqual(queueNames.map((queue) => `${queue} error`));
});
