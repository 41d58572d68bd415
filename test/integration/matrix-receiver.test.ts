// The failure matrix, the receiver itself as a process: killed at any moment, ended in order under load, and given new
// certificates and secrets meanwhile. Nothing that was answered 200 is lost, and nothing is cut that need not be.
import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { createRandom } from '../simulator/random.ts';
import type { DeliveryRecord } from '../simulator/webhook-sender.ts';
import { engines } from '../support/engines.ts';
import { eventually, expectInTime } from '../support/eventually.ts';
import { answersOf, openReceiverStage, type ReceiverStage } from '../support/faults-receiver.ts';
import { longTests } from '../support/long-tests.ts';
import { issueLeaf } from '../support/pki.ts';
import { testSecret } from '../support/receiver-server.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const settleTimeoutMs = 40_000;
/** There are four kills at the least. */
const killingMs = longTests ? 30_000 : 5_000;

async function open(changes: Record<string, string> = {}): Promise<ReceiverStage> {
  const stage = await openReceiverStage({ REDIS_URL: engines.redisUrl, ...changes });
  closers.push(() => stage.close());
  return stage;
}

function ackedOf({ sent }: ReceiverStage): number {
  return sent.filter(({ acked }) => acked).length;
}

/** Sends until it is told to stop; gives what became of it all. */
function keepSending(stage: ReceiverStage): { stop(): Promise<DeliveryRecord[]> } {
  const records: DeliveryRecord[] = [];
  const ending = new AbortController();
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) records.push(...(await stage.deliver(16)));
  };
  const running = run();
  async function stop(): Promise<DeliveryRecord[]> {
    ending.abort();
    await running;
    return records;
  }
  // Also when the test fails before it gets there; a closed stage would be sent to without a pause for ever.
  closers.push(stop);
  return { stop };
}

it(
  'receiver SIGKILLed under load, at any instruction: every delivery that got 200 is stored after the restart',
  { timeout: 90_000 },
  async () => {
    const seed = randomBytes(4).toString('hex');
    const random = createRandom(`matrix-receiver/${seed}`);
    const stage = await open();
    stage.storeFrom(engines.redisUrl);
    const endsAt = performance.now() + killingMs;
    let { process } = await stage.start();
    const load = keepSending(stage);
    let kills = 0;
    while (kills < 4 || performance.now() < endsAt) {
      // Every other life is long enough to acknowledge something, however busy the machine is.
      const enough = ackedOf(stage) + (kills % 2) * 32;
      await eventually(() => expect(ackedOf(stage)).toBeGreaterThanOrEqual(enough), {
        timeoutMs: settleTimeoutMs,
      });
      await delay(random.integer(0, 1_500));
      process.kill('SIGKILL');
      await process.exited;
      kills += 1;
      ({ process } = await stage.start());
    }
    const records = await load.stop();
    expect(records.filter(({ acked }) => acked).length, `seed ${seed}`).toBeGreaterThan(64);
    expect(records.filter(({ acked }) => !acked).length, `seed ${seed}`).toBeGreaterThan(0);
    await eventually(() => expect(stage.missing(), `seed ${seed}`).toEqual([]), {
      timeoutMs: settleTimeoutMs,
      everyMs: 100,
    });
    const sequences = stage.stored.map(({ sequence }) => sequence);
    expect(new Set(sequences).size, `seed ${seed}`).toBe(sequences.length);
  },
);

it('SIGTERM under load: exit 0, every request is answered or was never accepted, and the journal is emptied', async () => {
  const stage = await open({ SHUTDOWN_DELAY_MS: '500', SHUTDOWN_TIMEOUT_MS: '10000' });
  stage.storeFrom(engines.redisUrl);
  const { process } = await stage.start();
  await stage.deliver(16);
  const load = keepSending(stage);
  await eventually(() => expect(stage.sent.length).toBeGreaterThan(100));
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
  const records = await load.stop();
  const odd = records
    .flatMap(({ attempts }) => attempts)
    .filter(({ status, error }) => status !== 200 && !/ECONNREFUSED|^UND_ERR_CONNECT/.test(error ?? ''));
  expect(odd).toEqual([]);
  expect(process.lines).toContainEqual(
    expect.objectContaining({ msg: 'shutdown', phase: 'closed', rows_left: 0 }),
  );
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
});

it('SIGTERM under load with Redis away: exit 0 in bounded time, and what was acknowledged waits in the journal', async () => {
  const stage = await open({ REDIS_URL: 'redis://127.0.0.1:1', SHUTDOWN_TIMEOUT_MS: '6000' });
  const { process } = await stage.start();
  const load = keepSending(stage);
  await eventually(() => expect(stage.sent.length).toBeGreaterThan(60));
  const startedMs = performance.now();
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
  expectInTime(performance.now() - startedMs, 10_000);
  const records = await load.stop();
  const acked = records.filter((record) => record.acked).length;
  const closed = process.lines.find(({ msg, phase }) => msg === 'shutdown' && phase === 'closed');
  expect(Number(closed?.['rows_left'])).toBeGreaterThanOrEqual(acked);
  await stage.start({ REDIS_URL: engines.redisUrl });
  stage.storeFrom(engines.redisUrl);
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
});

it('a second SIGTERM forces the end at once, and costs nothing that was acknowledged', async () => {
  const stage = await open({ SHUTDOWN_DELAY_MS: '60000' });
  const { process } = await stage.start();
  const load = keepSending(stage);
  await eventually(() => expect(stage.sent.length).toBeGreaterThan(60));
  process.kill('SIGTERM');
  await process.line('shutdown');
  const startedMs = performance.now();
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 1, signal: null });
  expectInTime(performance.now() - startedMs, 10_000);
  await load.stop();
  await stage.start();
  stage.storeFrom(engines.redisUrl);
  await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
});

it(
  'certificate, chain and secrets rotated under load: all are taken up, and no delivery fails',
  { timeout: 90_000 },
  async () => {
    const stage = await open();
    const { settings } = stage;
    const secretFile = path.join(settings.dir, 'secrets');
    await writeFile(secretFile, `${testSecret}\n`, { mode: 0o600 });
    const { process } = await stage.start({
      LEAN_WEBHOOK_SECRET: '',
      LEAN_WEBHOOK_SECRET_FILE: secretFile,
    });
    stage.storeFrom(engines.redisUrl);
    await stage.deliver(16);
    const load = keepSending(stage);
    const { pki, files } = settings;
    const sans = ['dns:localhost', 'ip:127.0.0.1'];
    const next = await issueLeaf({ issuer: pki.issuers.publicRoot, sans, eku: ['serverAuth'] });
    await replace(files.tlsKey, next.keyPem);
    await replace(files.tlsCert, next.chainPem);
    await replace(secretFile, `the-next-secret,${testSecret}\n`);
    await replace(files.leanChain, `${pki.leanChainPem}\n${pki.serverCaPem}`);
    await eventually(
      () => {
        const loaded = process.lines
          .filter(({ msg, outcome }) => msg === 'material_reloaded' && outcome === 'loaded')
          .map(({ material }) => material);
        expect(new Set(loaded)).toEqual(new Set(['server_certificate', 'lean_chain', 'webhook_secret']));
      },
      { timeoutMs: settleTimeoutMs, everyMs: 200 },
    );
    await stage.deliver(64);
    const records = await load.stop();
    expect(answersOf(records)).toEqual({ 200: records.length });
    await eventually(() => expect(stage.missing()).toEqual([]), { timeoutMs: settleTimeoutMs });
  },
);

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.next`, content, { mode: 0o600 });
  await rename(`${file}.next`, file);
}
