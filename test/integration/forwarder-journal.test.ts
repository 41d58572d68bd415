import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/journal/journal.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { startForwarder } from '../../src/receiver/forwarder.ts';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { open } from '../../src/sealing/seal.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { delivery, newFolder, openForTest } from './journal-support.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function forward(journal: Journal, prefix: string) {
  const queue = openIntakeQueue({ url: engines.redisUrl, prefix });
  const forwarder = startForwarder({ journal, queue, maxOutstanding: 4, pollMs: 100 });
  const close = async () => {
    await forwarder.close();
    await queue.close();
  };
  closers.push(close);
  return { forwarder, close };
}

describe('the forwarder on a journal on disk', () => {
  it('hands every sealed body to the workers, byte for byte, over a restart in between', async () => {
    const keyRing = parseKeyRing([randomBytes(32).toString('base64')]);
    const dir = await newFolder();
    const prefix = uniquePrefix();
    const bodies = Array.from({ length: 300 }, (_, index) => `{"n":${index}}`);

    const before = await openForTest(dir, { keyRing });
    await Promise.all(bodies.slice(0, 200).map((body) => before.append(delivery(body))));
    const first = forward(before, prefix);
    await eventually(() => expect(first.forwarder.outstanding()).toBeGreaterThan(0));
    await first.close();
    await before.close();

    const journal = await openForTest(dir, { keyRing });
    const { forwarder } = forward(journal, prefix);
    const sequences = await Promise.all(bodies.slice(200).map((body) => journal.append(delivery(body))));
    const stored = new Map<number, string>();
    const runner = startJobRunner({
      queueName: 'webhook-intake',
      url: engines.redisUrl,
      prefix,
      concurrency: 2,
      handle: async ({ data }) => {
        if ('stored' in data) return { kind: 'done' };
        for (const { sequence, sealed } of data.deliveries) {
          const record = { purpose: 'delivery', recordId: `${data.journalId}:${sequence}` } as const;
          stored.set(sequence, Buffer.from(open(keyRing, record, Uint8Array.fromBase64(sealed))).toString());
        }
        return { kind: 'done', replaceData: { stored: true } };
      },
    });
    closers.push(() => runner.close());

    expect(await forwarder.flush(15_000)).toBe(0);
    await forwarder.whenStored(sequences.at(-1) ?? 0, 1_000);
    expect(stored.size).toBe(300);
    expect(new Set(stored.values())).toEqual(new Set(bodies));
    expect(await journal.openBatches()).toEqual([]);
  });
});
