// Failure matrix, the silent worker: its connections are half-open while everybody else's health is green. It must
// say so within a bound and go on by itself.
import { describe, expect, it, type TestContext } from 'vitest';
import { openQueueProbe } from '../../src/queue/queue-probe.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { expectedTables } from '../simulator/expected-tables.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { createWorkerWorld } from '../support/running-worker.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const customers = generateCustomers({ seed: 'silent', entities: 2, accounts: 1, transactions: 12 });
const bodies = planDeliveries({ customers, count: 12, duplicateRate: 1 / 3, seed: 'silent' }).map(
  ({ body }) => body,
);
/**
 * The connection that waits for jobs is given up after 25 s without an answer; the worker is unready after 30 s, or after
 * two PINGs of 2 s with 5 s between them. And some air.
 */
const noticedWithinMs = 45_000;
const timeoutMs = 120_000;

const isIntake = ({ queue }: Readonly<Record<string, unknown>>) => queue === 'webhook-intake';

async function proxyTo(context: TestContext, url: string): Promise<{ proxy: TcpProxy; url: string }> {
  const { hostname, port } = new URL(url);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  context.onTestFinished(() => proxy.close());
  return { proxy, url: `redis://127.0.0.1:${proxy.port}` };
}

// Beside each other: both mostly wait for the bounds above.
describe.concurrent('a worker whose connections to Redis are silently dead, while others are served', () => {
  async function startBehindProxy(context: TestContext) {
    const { proxy, url } = await proxyTo(context, engines.redisUrl);
    const world = await createWorkerWorld({ customers, env: { REDIS_URL: url } });
    context.onTestFinished(() => world.close());
    await world.start();
    const queue = () => world.readiness.report().checks['queue'];
    await eventually(() => expect(queue()).toEqual({ ok: true }), { timeoutMs });
    const holdsWhatLeanHolds = async (): Promise<void> =>
      eventually(async () => expect(await world.tables()).toEqual(expectedTables(customers)), {
        timeoutMs,
        everyMs: 200,
      });
    return { proxy, world, queue, holdsWhatLeanHolds };
  }

  it(
    'half-open, but new ones pass: it opens new ones by itself and takes the jobs within 45 s',
    { timeout: 3 * timeoutMs },
    async (context) => {
      const { proxy, world, holdsWhatLeanHolds } = await startBehindProxy(context);
      proxy.freezeOpen();
      const frozenSince = performance.now();
      // By another way, on which Redis answers as ever.
      await world.deliver(bodies);
      const isTaken = () => world.lines.some(({ event, fields }) => event === 'job' && isIntake(fields));
      await eventually(() => expect(isTaken()).toBe(true), { timeoutMs });
      expectInTime(performance.now() - frozenSince, noticedWithinMs);
      await holdsWhatLeanHolds();
      await eventually(() => expect(world.readiness.report().ready).toBe(true), { timeoutMs });
    },
  );

  it(
    'half-open, and so are new ones: it turns unready within 45 s, and goes on by itself when bytes pass again',
    { timeout: 3 * timeoutMs },
    async (context) => {
      const { proxy, world, queue, holdsWhatLeanHolds } = await startBehindProxy(context);
      proxy.freeze();
      await world.deliver(bodies);
      const frozenSince = performance.now();
      await eventually(() => expect(queue()).toEqual({ ok: false, code: 'QUEUE_UNAVAILABLE' }), {
        timeoutMs,
      });
      expectInTime(performance.now() - frozenSince, noticedWithinMs);
      await proxy.restore();
      await holdsWhatLeanHolds();
      await eventually(() => expect(world.readiness.report().ready).toBe(true), { timeoutMs });
    },
  );
});

describe('an independent question', () => {
  it('unanswered once is a hiccup, twice an outage, and answered again all is well', async (context) => {
    const { proxy, url } = await proxyTo(context, engines.redisUrl);
    const answers: boolean[] = [];
    const probe = openQueueProbe({
      url,
      prefix: uniquePrefix(),
      everyMs: 50,
      deadlineMs: 200,
      onError: () => undefined,
      onProbed: () => answers.push(probe.answers()),
    });
    context.onTestFinished(() => probe.close());
    await eventually(() => expect(answers.at(-1)).toBe(true));
    proxy.freeze();
    await eventually(() => expect(answers.at(-1)).toBe(false));
    const firstSilent = answers.lastIndexOf(true);
    expect(firstSilent).toBeGreaterThanOrEqual(1);
    await proxy.restore();
    await eventually(() => expect(answers.at(-1)).toBe(true));
  });
});
