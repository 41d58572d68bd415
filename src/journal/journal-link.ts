// The main thread's end of the journal thread: numbers the questions, hands out the answers, and starts the thread
// again when it dies. Never leaves a question without an answer: what was open in a dead thread fails NOT_DURABLE.
import type { Transferable, Worker } from 'node:worker_threads';
import { AppError } from '../core/app-error.ts';
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
/** A thread that sits in a hanging disk for longer is given up; the kernel releases the lock with the process. */
const closeDeadlineMs = 10_000;

export interface JournalLink {
  readonly journalId: string;
  /** `read` takes the answer apart; a refusal rejects with its code, a dead thread with NOT_DURABLE. */
  ask<Value>(
    question: Question,
    read: (body: AnswerBody) => Value,
    transfer?: readonly Transferable[],
  ): Promise<Value>;
  facts(): JournalFacts;
  close(): Promise<void>;
}

interface JournalLinkOptions {
  readonly startThread: () => Worker;
  /** Called once per group in which deliveries became durable. */
  readonly onAppended: () => void;
}

interface Waiting {
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
    facts: () => facts,
    async close() {
      isClosing = true;
      clearTimeout(restart);
      if (thread === null) return;
      const last = thread;
      if (isOpen) last.post({ number: 0, question: { kind: 'close' } }, []);
      else last.terminate();
      const deadline = setTimeout(() => last.terminate(), closeDeadlineMs);
      await last.ended;
      clearTimeout(deadline);
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
  terminate(): void;
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
    terminate: () => void worker.terminate(),
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
    failAll(error: AppError): void {
      for (const asker of waiting.values()) asker.fail(error);
      waiting.clear();
    },
  };
}
