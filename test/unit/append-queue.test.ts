// How deliveries travel to the journal's thread: in order, in messages of a bounded size, and never too many at once.
import { expect, it } from 'vitest';
import { createAppendQueue } from '../../src/journal/append-queue.ts';
import type { AnswerBody, Question } from '../../src/journal/journal-messages.ts';

const mebibyte = 1024 * 1024;

/** A thread that answers when it is told to, with sequences from 1. */
function createThread() {
  const messageBytes: number[] = [];
  const waiting: (() => void)[] = [];
  let nextSequence = 1;
  return {
    messageBytes,
    answerAll: () => waiting.splice(0).forEach((answer) => answer()),
    ask<Value>(question: Question, read: (body: AnswerBody) => Value): Promise<Value> {
      if (question.kind !== 'append') throw new Error('only deliveries are expected');
      const { bodies } = question.deliveries;
      const first = nextSequence;
      nextSequence += bodies.lengths.length;
      messageBytes.push(bodies.bytes.byteLength);
      const { promise, resolve } = Promise.withResolvers<Value>();
      waiting.push(() => resolve(read({ kind: 'appended', first })));
      return promise;
    },
  };
}

function delivery(bytes: number) {
  return { body: new Uint8Array(bytes), receivedAt: '2026-01-01T00:00:00.000Z', proof: 'signature' } as const;
}

it('puts the deliveries of one turn into one message, or into several of at most 1 MiB, in order', async () => {
  const thread = createThread();
  const queue = createAppendQueue(thread);
  const small = [1, 2, 3].map((bytes) => queue.add(delivery(bytes)));
  queue.flush();
  const large = [600_000, 400_000, 400_000, 3 * mebibyte, 10].map((bytes) => queue.add(delivery(bytes)));
  queue.flush();
  expect(thread.messageBytes).toEqual([6, 1_000_000, 400_000, 3 * mebibyte, 10]);
  thread.answerAll();
  expect(await Promise.all([...small, ...large])).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

it('refuses at once with NOT_DURABLE what goes beyond 64 MiB that wait, and takes more when they were answered', async () => {
  const thread = createThread();
  const queue = createAppendQueue(thread);
  const waiting = Array.from({ length: 63 }, () => queue.add(delivery(mebibyte)));
  const refusal = { code: 'NOT_DURABLE', message: expect.stringContaining('wait') };
  await expect(queue.add(delivery(mebibyte))).rejects.toMatchObject(refusal);
  queue.flush();
  thread.answerAll();
  await Promise.all(waiting);
  const next = queue.add(delivery(mebibyte));
  queue.flush();
  thread.answerAll();
  expect(await next).toBe(64);
});

it('takes a single delivery of any size when none waits', async () => {
  const thread = createThread();
  const queue = createAppendQueue(thread);
  const added = queue.add(delivery(64 * mebibyte));
  queue.flush();
  thread.answerAll();
  expect(await added).toBe(1);
});

it('bounds deliveries without a body too', async () => {
  const queue = createAppendQueue(createThread());
  const added = Array.from({ length: 70_000 }, () => queue.add(delivery(0)));
  void Promise.allSettled(added);
  await expect(added.at(-1)).rejects.toMatchObject({ code: 'NOT_DURABLE' });
});
