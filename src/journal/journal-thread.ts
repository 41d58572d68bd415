// The journal's worker thread: an fsync stops this loop and not the receiver's. Whatever has arrived while the last
// commit ran is committed together, at once and without a timer; a delivery is answered only after its commit.
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { writes } from './journal-answers.ts';
import { openJournalKeeper, type JournalKeeper } from './journal-keeper.ts';
import { bodyBytes, onRequest } from './journal-messages.ts';
import type { Answer, JournalThreadData, Request, ThreadMessage } from './journal-messages.ts';
import { openFailure } from './sqlite-failure.ts';

/** One transaction takes no further message from here on; a message has a bound of its own, see append-queue.ts. */
const groupRequests = 1024;
const groupBytes = 4 * 1024 * 1024;
/** A quiet journal folds its log in after this long. */
const idleMs = 1000;

function start(port: MessagePort, threadData: JournalThreadData): void {
  const post = (message: ThreadMessage) => port.postMessage(message);
  try {
    const keeper = openJournalKeeper(threadData);
    post({ kind: 'opened', journalId: keeper.journalId, facts: keeper.facts() });
    serve(port, keeper);
  } catch (error) {
    const { code, message } = openFailure(error, threadData.dir);
    post({ kind: 'refused', code, message });
    port.close();
  }
}

function serve(port: MessagePort, keeper: JournalKeeper): void {
  const post = (message: ThreadMessage) => port.postMessage(message);
  let nextChore: NodeJS.Timeout | undefined;

  function planChore(isFoldDue: boolean): void {
    clearTimeout(nextChore);
    const retryInMs = keeper.retryInMs();
    if (retryInMs === null && !isFoldDue) return;
    nextChore = setTimeout(doChore, retryInMs ?? idleMs);
  }

  function doChore(): void {
    let isFolded = true;
    if (keeper.retryInMs() === null) isFolded = keeper.checkpoint();
    else keeper.recover();
    post({ kind: 'facts', facts: keeper.facts() });
    planChore(!isFolded);
  }

  onRequest(port, (first) => {
    const requests = [first, ...drain(port, first)];
    const answers = keeper.answer(requests);
    const message: ThreadMessage = { kind: 'answers', answers, facts: keeper.facts() };
    port.postMessage(message, batchBuffers(answers));
    // Questions that only read leave the chore where it is: asked often enough they would put it off for ever.
    if (keeper.retryInMs() !== null || requests.some(writes)) planChore(true);
    if (requests.some(({ question }) => question.kind === 'close')) {
      clearTimeout(nextChore);
      keeper.close();
      port.close();
    }
  });
}

function drain(port: MessagePort, first: Request): Request[] {
  const requests: Request[] = [];
  let bytes = bodyBytes(first);
  while (requests.length < groupRequests && bytes < groupBytes) {
    const received = receiveMessageOnPort(port);
    if (received === undefined) break;
    const request: Request = received.message;
    bytes += bodyBytes(request);
    requests.push(request);
  }
  return requests;
}

function batchBuffers(answers: readonly Answer[]): ArrayBuffer[] {
  return answers.flatMap(({ body }) =>
    body.kind === 'batch' && body.batch !== null ? [body.batch.sealed.bytes] : [],
  );
}

if (parentPort === null) throw new Error('journal-thread.ts runs as a worker thread only');
start(parentPort, workerData);
