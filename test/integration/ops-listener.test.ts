// What an operator, an orchestrator and Prometheus see of a process.
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startOpsListener, type OpsListener } from '../../src/operations/ops-listener.ts';

let listener: OpsListener;
afterEach(() => listener.close());

const metrics = createMetrics({ processMetrics: false });

async function start(readiness = createReadiness()): Promise<string> {
  listener = await startOpsListener({ host: '127.0.0.1', port: 0, readiness, metrics });
  return listener.url;
}

it('/livez answers while the process lives', async () => {
  expect((await fetch(`${await start()}/livez`)).status).toBe(200);
});

describe('/readyz', () => {
  it('names every check, 200 when all are ok', async () => {
    const readiness = createReadiness();
    readiness.register('journal', () => ({ ok: true }));
    const reply = await fetch(`${await start(readiness)}/readyz`);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({ ready: true, checks: { journal: { ok: true } } });
  });

  it('503 with the reason when one is not', async () => {
    const readiness = createReadiness();
    readiness.register('journal', () => ({ ok: false, code: 'NOT_DURABLE' }));
    readiness.register('serving', () => ({ ok: true }));
    const reply = await fetch(`${await start(readiness)}/readyz`);
    expect(reply.status).toBe(503);
    const checks = { journal: { ok: false, code: 'NOT_DURABLE' }, serving: { ok: true } };
    expect(await reply.json()).toEqual({ ready: false, checks });
  });
});

it('/metrics speaks Prometheus', async () => {
  metrics.deliveries.inc({ outcome: 'accepted' });
  const reply = await fetch(`${await start()}/metrics`);
  expect(reply.headers.get('content-type')).toMatch(/^text\/plain/);
  expect(await reply.text()).toContain('lean_webhook_deliveries_total{outcome="accepted"} 1');
});

it.each(['/', '/status', '/queues', '/%zz', '/livez/secret-word'])(
  '%s is 404 without a word of it',
  async (path) => {
    const reply = await fetch((await start()) + path);
    expect([reply.status, await reply.text()]).toEqual([404, '{"code":"NOT_FOUND"}']);
  },
);

it('a taken port is PORT_IN_USE and names OPS_PORT', async () => {
  const { port } = new URL(await start());
  const options = { host: '127.0.0.1', port: Number(port), readiness: createReadiness(), metrics };
  await expect(startOpsListener(options)).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining('OPS_PORT'),
  });
});
