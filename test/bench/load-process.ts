// The load generator, a process of its own, so that what it costs is not taken for the subject's. Does one job, which
// comes as a message, and ends. Never makes or signs a request while it measures.
import type { z } from 'zod';
import { requestBytes } from './deliveries.ts';
import { createLoadContext } from './load-connection.ts';
import { fromLoadSchema, loadJobSchema, type LoadJob } from './load-messages.ts';
import { startModel } from './load-models.ts';
import { createLoadRecorder } from './load-recorder.ts';

const lookMs = 5;
/** Of the requests; a subject that is faster than thought must have some left to be measured with. */
const warmUpShare = 0.25;

const stopped = Promise.withResolvers<void>();

process.once('message', (message) => {
  // Whatever comes after the job says that it is enough.
  process.once('message', () => stopped.resolve());
  void work(loadJobSchema.parse(message));
});
// Nobody is left to report to.
process.once('disconnect', () => process.exit(1));

async function work(job: LoadJob): Promise<void> {
  const { model, target, body, warmUpMs, measureMs } = job;
  const closes = model.kind === 'new-connections';
  const requests = Array.from({ length: job.requests }, () => requestBytes({ ...target, body, closes }));
  const fromMs = { value: Number.POSITIVE_INFINITY };
  const toMs = { value: Number.POSITIVE_INFINITY };
  const recorder = createLoadRecorder(({ sinceMs, nowMs }) => {
    const atMs = model.kind === 'open' ? sinceMs : nowMs;
    return atMs >= fromMs.value && atMs < toMs.value;
  });
  const [spent, warm] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const leftWhenWarm = job.requests * (1 - warmUpShare);
  const running = await startModel({
    job,
    context: createLoadContext(target),
    take() {
      if (model.kind !== 'open' && requests.length < leftWhenWarm) warm.resolve();
      return requests.pop();
    },
    onAnswer: (taken) => recorder.answer(taken),
    onBroken: (error) => recorder.broken(error),
    onSpent: () => spent.resolve(),
  });
  await Promise.race([pause(warmUpMs), warm.promise]);
  fromMs.value = performance.now();
  tell({ kind: 'begun' });
  await Promise.race([pause(measureMs), spent.promise, stopped.promise]);
  toMs.value = performance.now();
  running.stop();
  tell({ kind: 'ended' });
  const deadlineMs = toMs.value + job.answerDeadlineMs;
  while (running.open().length > 0 && performance.now() < deadlineMs) await pause(lookMs);
  for (const sinceMs of running.open()) recorder.unanswered(performance.now() - sinceMs);
  running.close();
  tell({ kind: 'report', report: recorder.report({ seconds: (toMs.value - fromMs.value) / 1_000 }) });
  process.disconnect?.();
}

function tell(message: z.input<typeof fromLoadSchema>): void {
  process.send?.(message);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
