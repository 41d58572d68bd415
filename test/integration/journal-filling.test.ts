// A receiver whose way to Redis is closed tells how long its journal has room for.
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startReceiver } from '../../src/receiver/start-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/lean-sender.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings } from '../support/receiver-settings.ts';

it('the gauge is without end before the first delivery, and an end is in sight while the journal fills', async () => {
  const settings = await receiverSettings();
  onTestFinished(() => settings.remove());
  const metrics = createMetrics({ processMetrics: false });
  const { logger } = collectLines();
  const config = loadConfig('receiver', settings.env);
  const receiver = await startReceiver({ config, logger, metrics, readiness: createReadiness() });
  onTestFinished(() => receiver.close({ delayMs: 0 }));
  const seconds = async () => (await metrics.journalSecondsUntilFull.get()).values[0]?.value;
  expect(await seconds()).toBe(Infinity);
  const { origin, pathname } = new URL(receiver.url);
  const body = JSON.stringify({ type: 'entity.created', payload: { text: 'x'.repeat(100_000) } });
  for (let count = 0; count < 5; count += 1) {
    const reply = await send(
      fromLean({ url: origin }, settings.pki, { path: pathname, body: Buffer.from(body) }),
    );
    expect(reply.status).toBe(200);
  }
  await eventually(async () => expect(await seconds()).toBeLessThan(86_400));
  expect(await seconds()).toBeGreaterThan(0);
});
