// Runs one load against one subject, in a process of its own, and says what came of it together with what the subject's
// processes cost meanwhile. Throws when an answer was not 200 or a delivery got none, unless that is what is asked for.
import { fork } from 'node:child_process';
import path from 'node:path';
import {
  fromLoadSchema,
  type LoadJob,
  type LoadModel,
  type LoadReport,
  type LoadTarget,
} from './load-messages.ts';
import { cpuSeconds } from './processes.ts';

export interface LoadOptions {
  readonly target: LoadTarget;
  readonly model: LoadModel;
  readonly measureMs: number;
  /** A tenth of a second when left out. */
  readonly warmUpMs?: number;
  /** Of a whole body; 1,024 when left out. */
  readonly bodyBytes?: number;
  /** Lean's type of event; one that is only written down when left out. */
  readonly eventType?: string;
  /** At most, in the closed models; what fits into memory when left out. In the open model as many as will be due. */
  readonly requests?: number;
  /** 10 s, as Lean waits, when left out. */
  readonly answerDeadlineMs?: number;
  /** Processes whose CPU seconds are wanted, over the measured time. */
  readonly pids?: readonly number[];
  /** Called when the measured time begins: connections are open and the warm-up is over. */
  readonly onBegun?: () => void;
  /** The measured time ends with it, when that is before `measureMs`. */
  readonly until?: Promise<unknown>;
  /** True: answers that are not 200, and connections that break, are told and no error. */
  readonly mayFail?: boolean;
}

export interface LoadResult extends LoadReport {
  readonly perSecond: number;
  /** By process, in the order asked for. */
  readonly cpuSeconds: readonly number[];
  /** Of the load generator itself. */
  readonly loadCpuSeconds: number;
}

const defaultWarmUpMs = 100;
const defaultBodyBytes = 1_024;
const defaultAnswerDeadlineMs = 10_000;
/** Who answers more is measured for a shorter time: what it answers with is soon known. */
const mostPerSecond = 12_000;
/** All requests of a load are in memory. */
const requestsLimitBytes = 200_000_000;
const headBytes = 500;
/** Making requests, opening connections. */
const startLimitMs = 60_000;

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { pids = [] } = options;
  const job = toJob(options);
  const child = fork(path.join(import.meta.dirname, 'load-process.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const all = [...pids, child.pid ?? 0];
  const cost = { begun: all.map(() => Number.NaN), ended: all.map(() => Number.NaN) };
  const limitMs = startLimitMs + job.warmUpMs + job.measureMs + job.answerDeadlineMs;
  try {
    const report = await new Promise<LoadReport>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the load generator did not end in time')), limitMs);
      child.once('error', reject);
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`the load generator ended with ${code}`));
      });
      child.on('message', (raw) => {
        const message = fromLoadSchema.parse(raw);
        if (message.kind === 'report') resolve(message.report);
        else cost[message.kind] = all.map(cpuSeconds);
        if (message.kind === 'begun') options.onBegun?.();
      });
      child.send(job);
      const stop = (): unknown => child.connected && child.send('stop', () => undefined);
      options.until?.then(stop, stop);
    });
    if (!options.mayFail) check(report, options.model);
    const spent = cost.ended.map((seconds, index) => seconds - (cost.begun[index] ?? 0));
    return {
      ...report,
      perSecond: report.answered / report.seconds,
      cpuSeconds: spent.slice(0, pids.length),
      loadCpuSeconds: spent.at(-1) ?? Number.NaN,
    };
  } finally {
    child.kill('SIGKILL');
  }
}

export function perSecond(result: LoadResult): number {
  return result.perSecond;
}

/** Of the first of the processes asked for, microseconds. */
export function cpuPerAnswer({ cpuSeconds: [seconds = Number.NaN], answered }: LoadResult): number {
  return (seconds * 1_000_000) / answered;
}

/** What the load generator took of the same processors, microseconds. */
export function cpuOfLoad({ loadCpuSeconds, answered }: LoadResult): number {
  return (loadCpuSeconds * 1_000_000) / answered;
}

function toJob(options: LoadOptions): LoadJob {
  const { target, model, measureMs, warmUpMs = defaultWarmUpMs, bodyBytes = defaultBodyBytes } = options;
  const atMost = model.kind === 'open' ? 1.2 * model.ratePerSecond : mostPerSecond;
  const fitting = Math.floor(requestsLimitBytes / (bodyBytes + headBytes));
  const wanted = Math.ceil((atMost * (warmUpMs + measureMs)) / 1_000) + 100;
  return {
    target,
    model,
    warmUpMs,
    measureMs,
    body: { type: options.eventType ?? 'payment.updated', bytes: bodyBytes },
    requests: Math.min(wanted, model.kind === 'open' ? wanted : (options.requests ?? fitting)),
    answerDeadlineMs: options.answerDeadlineMs ?? defaultAnswerDeadlineMs,
  };
}

/** Whoever falls behind in the open model has a bad latency, and is not broken. */
function check({ statuses, unanswered, broken, lastError }: LoadReport, { kind }: LoadModel): void {
  const others = Object.keys(statuses).some((status) => status !== '200');
  if (!others && broken === 0 && (unanswered === 0 || kind === 'open')) return;
  const told = Object.entries(statuses).map(([status, count]) => `${count} x ${status}`);
  throw new Error(
    `not every delivery got its 200: ${told.join(', ')}; ${unanswered} without an answer; ` +
      `${broken} connections broke (${lastError ?? 'none'})`,
  );
}
