// A whole receiver whose journal fills because nobody takes anything out of it, and then somebody does.
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { startReceiver } from '../../src/receiver/start-receiver.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { send, type Sending } from '../support/lean-sender.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings } from '../support/receiver-settings.ts';

async function start(changes: Record<string, string>) {
  const settings = await receiverSettings(changes);
  onTestFinished(() => settings.remove());
  const metrics = createMetrics({ processMetrics: false });
  const { logger } = collectLines();
  const config = loadConfig('receiver', { ...settings.env, ...changes });
  const receiver = await startReceiver({ config, logger, metrics, readiness: createReadiness() });
  onTestFinished(() => receiver.close({ delayMs: 0 }));
  const { origin, pathname } = new URL(receiver.url);
  const deliver = (more: Partial<Sending> = {}) =>
    send(fromLean({ url: origin }, settings.pki, { path: pathname, ...more }));
  return { metrics, deliver };
}

it('answers OVERLOADED from 90 % of the journal, and 200 again once the workers have drained it', async () => {
  const limitBytes = 16 * 1024 * 1024;
  const prefix = uniquePrefix();
  const { metrics, deliver } = await start({
    JOURNAL_LIMIT_BYTES: String(limitBytes),
    REDIS_URL: engines.redisUrl,
    REDIS_DEADLINE_MS: '2000',
    QUEUE_PREFIX: prefix,
  });
  const journalBytes = async () => {
    const { values } = await metrics.journalBytes.get();
    return values[0]?.value ?? 0;
  };
  const body = Buffer.alloc(1_000_000, '{}');
  for (let sent = 0, status = 200; status === 200; sent += 1) {
    expect(sent).toBeLessThan(20);
    // It is refused before its body is read, which may end the connection under the sender.
    status = (await deliver({ body }).catch(() => null))?.status ?? 503;
  }
  expect(await deliver()).toMatchObject({ status: 503, body: '{"code":"OVERLOADED"}' });
  await eventually(async () => expect(await journalBytes()).toBeGreaterThanOrEqual(0.9 * limitBytes));

  const runner = startJobRunner({
    queueName: 'webhook-intake',
    url: engines.redisUrl,
    prefix,
    concurrency: 2,
    handle: () => Promise.resolve({ kind: 'done', replaceData: { stored: true } }),
  });
  try {
    await eventually(async () => expect(await deliver()).toMatchObject({ status: 200 }));
    await eventually(async () => expect(await journalBytes()).toBeLessThan(0.2 * limitBytes));
  } finally {
    await runner.close();
  }
});
