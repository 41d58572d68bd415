// Readiness and metrics: cheap, bounded, one of each per process.
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';

describe('readiness', () => {
  it('is given when every named check is', () => {
    const readiness = createReadiness();
    let writable = true;
    readiness.register('journal', () => (writable ? { ok: true } : { ok: false, code: 'NOT_DURABLE' }));
    readiness.register('listener', () => ({ ok: true }));
    expect(readiness.report()).toEqual({
      ready: true,
      checks: { journal: { ok: true }, listener: { ok: true } },
    });
    writable = false;
    expect(readiness.report()).toMatchObject({
      ready: false,
      checks: { journal: { ok: false, code: 'NOT_DURABLE' } },
    });
  });

  it('is refused, not thrown, when a check breaks', () => {
    const readiness = createReadiness();
    readiness.register('broken', () => {
      throw new Error('no');
    });
    expect(readiness.report()).toEqual({
      ready: false,
      checks: { broken: { ok: false, code: 'CHECK_FAILED' } },
    });
  });
});

describe('metrics', () => {
  it('are of one process and shown in the Prometheus format', async () => {
    const [one, two] = [createMetrics(), createMetrics({ processMetrics: false })];
    one.deliveries.inc({ outcome: 'accepted' });
    one.ackSeconds.observe({ outcome: 'accepted' }, 0.004);
    const text = await one.registry.metrics();
    expect(text).toContain('lean_webhook_deliveries_total{outcome="accepted"} 1');
    expect(text).toContain('lean_webhook_ack_seconds_bucket{le="0.005",outcome="accepted"} 1');
    expect(text).toContain('process_cpu_seconds_total');
    await expect(two.registry.metrics()).resolves.not.toContain('outcome="accepted"');
    one.close();
    two.close();
  });
});
