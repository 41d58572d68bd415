// The main thread's end of the journal thread: numbers the questions, hands out the answers, and starts the thread
// again when it dies. Never leaves a question without an answer: what was open in a dead thread fails NOT_DURABLE.
import type { Transferable, Worker } from 'node:worker_threads';
import { AppError } from '../core/app-error.ts';
import { endsWithin } from '../core/deadline.ts';
import { onThreadMessage } from './journal-messages.ts';
import type {
  Answer,
  AnswerBody,
  JournalFacts,
  Question,
  Request,
  ThreadMessage,
} from './journal-messages.ts';

const firstRestartMs = 100;
const lastRestartMs = 5000;
/** Longer than the slowest good disk takes for a commit: a thread that owes an answer since then hangs. */
const stalledMs = 2000;

export interface JournalLink {
  readonly journalId: string;
  /** `read` takes the answer apart; a refusal rejects with its code, a dead thread with NOT_DURABLE. */
  ask<Value>(
    question: Question,
    read: (body: AnswerBody) => Value,
    transfer?: readonly Transferable[],
  ): Promise<Value>;
  /** As of the last answer; a thread that has owed one for 2 s counts as failed with NOT_DURABLE. */
  facts(): JournalFacts;
  /**
   * A thread that sits in a hanging disk is given up after `timeoutMs` and what it owes fails NOT_DURABLE. It cannot be
   * stopped inside a system call; the kernel releases its lock with the process.
   */
  close(timeoutMs: number): Promise<void>;
}

interface JournalLinkOptions {
  readonly startThread: () => Worker;
  /** Called once per group in which deliveries became durable. */
  readonly onAppended: () => void;
}

interface Waiting {
  /** On the clock of `performance.now`. */
  readonly askedAt: number;
  settle(body: AnswerBody): void;
  fail(error: AppError): void;
}

/** Throws what the thread refuses to open with: JOURNAL_LOCKED, JOURNAL_CORRUPT, JOURNAL_UNWRITABLE. */
export async function openJournalLink({ startThread, onAppended }: JournalLinkOptions): Promise<JournalLink> {
  const waiting = createWaitingList();
  let facts: JournalFacts = { rows: 0, bytes: 0, oldestReceivedAt: null, commits: 0, failure: 'NOT_DURABLE' };
  let thread: RunningThread | null = null;
  let isOpen = false;
  let isClosing = false;
  let restartMs = firstRestartMs;
  let restart: NodeJS.Timeout | undefined;

  function receive(message: AnswersMessage): void {
    facts = message.facts;
    if (message.kind === 'facts') return;
    restartMs = firstRestartMs;
    waiting.settle(message.answers);
    if (message.answers.some(({ body }) => body.kind === 'appended')) onAppended();
  }

  function lose(problem: AppError): void {
    thread = null;
    isOpen = false;
    facts = { ...facts, failure: problem.code };
    const message = `the journal thread ended: ${problem.message}`;
    waiting.failAll(new AppError('NOT_DURABLE', message, { cause: problem }));
  }

  async function run(): Promise<string> {
    const started = runThread({ startThread, receive });
    thread = started;
    void started.ended.then(lose);
    const opened = await started.opened;
    facts = opened.facts;
    isOpen = true;
    void started.ended.then(planRestart);
    return opened.journalId;
  }

  function planRestart(): void {
    if (isClosing) return;
    restart = setTimeout(() => void run().catch(planRestart), restartMs);
    restartMs = Math.min(restartMs * 2, lastRestartMs);
  }

  return {
    journalId: await run(),
    ask(question, read, transfer = []) {
      if (thread === null || !isOpen) {
        return Promise.reject(new AppError('NOT_DURABLE', 'the journal thread is not running'));
      }
      const { number, answered } = waiting.add(read);
      thread.post({ number, question }, transfer);
      return answered;
    },
    facts: () =>
      facts.failure === null && waiting.oldestAgeMs() > stalledMs
        ? { ...facts, failure: 'NOT_DURABLE' }
        : facts,
    async close(timeoutMs) {
      isClosing = true;
      clearTimeout(restart);
      if (thread === null) return;
      const last = thread;
      if (isOpen) last.post({ number: 0, question: { kind: 'close' } }, []);
      else last.giveUp();
      if (await endsWithin(last.ended, timeoutMs)) return;
      last.giveUp();
      waiting.failAll(new AppError('NOT_DURABLE', 'the disk did not answer before the journal was closed'));
    },
  };
}

type AnswersMessage = Extract<ThreadMessage, { kind: 'answers' | 'facts' }>;
type OpenedMessage = Extract<ThreadMessage, { kind: 'opened' }>;

interface RunningThread {
  /** Rejects when the thread refused to open or ended before it was open. */
  readonly opened: Promise<OpenedMessage>;
  /** Why it ended. Never rejects. */
  readonly ended: Promise<AppError>;
  post(request: Request, transfer: readonly Transferable[]): void;
  /** Stops it if that is possible, and does not keep the process waiting for it. */
  giveUp(): void;
}

function runThread(options: {
  startThread: () => Worker;
  receive: (message: AnswersMessage) => void;
}): RunningThread {
  const worker = options.startThread();
  const opened = Promise.withResolvers<OpenedMessage>();
  const ended = Promise.withResolvers<AppError>();
  let problem = new AppError('NOT_DURABLE', 'it exited');

  onThreadMessage(worker, (message) => {
    if (message.kind === 'opened') opened.resolve(message);
    else if (message.kind === 'refused') problem = new AppError(message.code, message.message);
    else options.receive(message);
  });
  worker.on('error', (error) => {
    problem = new AppError('NOT_DURABLE', 'it failed', { cause: error });
  });
  worker.on('exit', () => {
    opened.reject(problem);
    ended.resolve(problem);
  });
  return {
    opened: opened.promise,
    ended: ended.promise,
    post: (request, transfer) => worker.postMessage(request, transfer),
    giveUp() {
      void worker.terminate();
      worker.unref();
    },
  };
}

function createWaitingList() {
  const waiting = new Map<number, Waiting>();
  let lastNumber = 0;
  return {
    add<Value>(read: (body: AnswerBody) => Value): { number: number; answered: Promise<Value> } {
      lastNumber += 1;
      const { promise, resolve, reject } = Promise.withResolvers<Value>();
      waiting.set(lastNumber, {
        askedAt: performance.now(),
        settle(body) {
          try {
            if (body.kind === 'failed') reject(new AppError(body.code, body.message));
            else resolve(read(body));
          } catch (error) {
            reject(error);
          }
        },
        fail: reject,
      });
      return { number: lastNumber, answered: promise };
    },
    settle(answers: readonly Answer[]): void {
      for (const { number, body } of answers) {
        waiting.get(number)?.settle(body);
        waiting.delete(number);
      }
    },
    /** 0 when nothing waits. Answers come in the order of the questions, so the first one is the oldest. */
    oldestAgeMs(): number {
      const [oldest] = waiting.values();
      return oldest === undefined ? 0 : performance.now() - oldest.askedAt;
    },
    failAll(error: AppError): void {
      for (const asker of waiting.values()) asker.fail(error);
      waiting.clear();
    },
  };
}
