import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { startEmbeddedRedis } from '../../src/embedded/embedded-redis.ts';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { startForwarder } from '../../src/receiver/forwarder.ts';
import { uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryJournal } from '../support/memory-journal.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the embedded Redis', () => {
  it('carries deliveries from a journal to a worker, and is gone when it is closed', async () => {
    const redis = await startEmbeddedRedis();
    closers.push(() => redis.close());
    const prefix = uniquePrefix();
    const queue = openIntakeQueue({ url: redis.url, prefix });
    const journal = createMemoryJournal({ batchSize: 8 });
    const forwarder = startForwarder({ journal, queue, pollMs: 100 });
    let stored = 0;
    const runner = startJobRunner({
      queueName: 'webhook-intake',
      url: redis.url,
      prefix,
      concurrency: 2,
      handle: async ({ data }) => {
        if ('deliveries' in data) stored += data.deliveries.length;
        return { kind: 'done', replaceData: { stored: true } };
      },
    });
    closers.push(
      () => queue.close(),
      () => forwarder.close(),
      () => runner.close(),
    );
    journal.append(50);
    await eventually(() => expect(journal.rows()).toEqual([]));
    expect(stored).toBe(50);
    await redis.close();
    expect(isAlive(redis.pid)).toBe(false);
  });

  it('listens on the loopback address only', async (context) => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    if (outside === undefined) return context.skip('this machine has only a loopback address');
    const redis = await startEmbeddedRedis();
    closers.push(() => redis.close());
    const socket = connect({ host: outside, port: Number(new URL(redis.url).port) });
    closers.push(() => socket.destroy());
    await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
  });

  it('does not outlive the process that started it, however that ends', async () => {
    const program = `
      const { startEmbeddedRedis } = await import('./src/embedded/embedded-redis.ts');
      const { pid } = await startEmbeddedRedis();
      console.log(pid);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closers.push(() => parent.kill('SIGKILL'));
    const [line] = await once(createInterface({ input: parent.stdout }), 'line');
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await eventually(() => expect(isAlive(pid)).toBe(false));
  });
});
