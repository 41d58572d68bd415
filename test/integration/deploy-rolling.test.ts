// A day in the life of deploy/haproxy.cfg, with real processes under load: a receiver is killed, then every receiver and
// worker is restarted in turn. What was acknowledged is in Postgres, and a restart that was asked for cuts no request.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRealClock } from '../simulator/clock.ts';
import { generateCustomers } from '../simulator/customers.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import { createWebhookSender, type WebhookSender } from '../simulator/webhook-sender.ts';
import { findBalancer, startBalancer, type Balancer } from '../support/balancers.ts';
import { startDeployment, type Deployment } from '../support/deployment.ts';
import { engines } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import { eventually } from '../support/eventually.ts';
import { longTests } from '../support/long-tests.ts';
import { root, type RoleProcess } from '../support/processes.ts';

const canRun = longTests && findBalancer('haproxy-tcp') !== undefined && engines.kind.postgres === 'real';
const configuration = readFileSync(path.join(root, 'deploy/haproxy.cfg'), 'utf8');
const customers = generateCustomers({ seed: 'rolling', entities: 4 });
/** Deliveries a second; far below what a receiver takes, so that only a restart can be to blame. */
const perSecond = 40;

let deployment: Deployment;
let balancer: Balancer;
let sender: WebhookSender;
let members: Member[];
let workers: RoleProcess[];

interface Member {
  readonly port: number;
  readonly opsPort: number;
  process: RoleProcess;
  start(): Promise<void>;
}

async function startMember(name: string): Promise<Member> {
  const [port, opsPort] = [await freePort(), await freePort()];
  const settings = {
    PORT: String(port),
    OPS_PORT: String(opsPort),
    PROXY_PROTOCOL: 'on',
    TRUSTED_PROXIES: '127.0.0.1/32',
    SHUTDOWN_DELAY_MS: '5000',
  };
  const start = async () => (await deployment.startReceiver({ name, settings })).process;
  const member: Member = {
    port,
    opsPort,
    process: await start(),
    async start() {
      member.process = await start();
    },
  };
  return member;
}

beforeAll(async () => {
  if (!canRun) return;
  deployment = await startDeployment({ customers });
  const [first, second] = [await startMember('receiver-1'), await startMember('receiver-2')];
  members = [first, second];
  workers = [await deployment.startWorker(), await deployment.startWorker()];
  balancer = await startBalancer({
    kind: 'haproxy-tcp',
    pki: deployment.pki,
    receiverPort: first.port,
    configuration,
    changes: [
      [`127.0.0.1:${first.port} check port 9464`, `127.0.0.1:${first.port} check port ${first.opsPort}`],
      ['10.0.0.21:8443 check port 9464', `127.0.0.1:${second.port} check port ${second.opsPort}`],
    ],
  });
  sender = createWebhookSender({
    url: `${balancer.url}/webhooks/lean`,
    identity: deployment.pki.lean.webhookClient,
    ca: deployment.pki.serverCaPem,
    secret: deployment.secret,
    connections: 16,
    // Lean's minutes as half seconds.
    clock: createRealClock({ speed: 120 }),
  });
}, 300_000);
afterAll(async () => {
  if (!canRun) return;
  await sender.close();
  await balancer.close();
  await deployment.close();
});

/** Sends all the time until the work is done; gives the attempts that were made meanwhile. */
async function underLoad(seed: string, work: () => Promise<void>) {
  const plan = planDeliveries({ customers, count: 20_000, duplicateRate: 0, seed });
  const from = sender.history.length;
  const underWay: Promise<unknown>[] = [];
  let isDone = false;
  const sending = (async () => {
    for (const event of plan) {
      if (isDone) break;
      underWay.push(sender.send(event));
      await delay(1_000 / perSecond);
    }
  })();
  try {
    await work();
  } finally {
    isDone = true;
    await sending;
  }
  await Promise.all(underWay);
  const records = sender.history.slice(from);
  return { records, attempts: records.flatMap(({ attempts }) => attempts) };
}

async function expectAllStored(): Promise<void> {
  const acked = new Set(sender.history.filter((one) => one.acked).map(({ eventId }) => eventId));
  await eventually(
    async () => {
      const rows = await deployment.database.database.db
        .selectFrom('webhook_events')
        .select('event_id')
        .execute();
      const stored = new Set(rows.map((row) => row.event_id));
      expect([...acked].filter((id) => !stored.has(id))).toEqual([]);
    },
    { timeoutMs: 60_000 },
  );
}

function figures(attempts: readonly { readonly ms: number }[]): string {
  const times = attempts.map(({ ms }) => ms).toSorted((left, right) => left - right);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))];
  return `${times.length} requests, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, slowest ${times.at(-1)} ms`;
}

it('a killed receiver costs nothing that was acknowledged', { timeout: 600_000 }, async (context) => {
  context.skip(!canRun, 'a long test, with HAProxy and real engines');
  const [first] = members;
  if (first === undefined) throw new Error('there are receivers');
  const { records, attempts } = await underLoad('killed', async () => {
    await delay(2_000);
    first.process.kill('SIGKILL');
    await first.process.exited;
    await delay(3_000);
    await first.start();
    await delay(2_000);
  });
  expect(records.filter(({ acked }) => !acked)).toEqual([]);
  const failed = attempts.filter(({ status }) => status !== 200).length;
  process.stdout.write(`killed: ${figures(attempts)}, ${failed} cut and repeated\n`);
  await expectAllStored();
});

it('a rolling restart of receivers and workers cuts no request', { timeout: 600_000 }, async (context) => {
  context.skip(!canRun, 'a long test, with HAProxy and real engines');
  const { attempts } = await underLoad('rolling', async () => {
    for (const member of members) {
      member.process.kill('SIGTERM');
      expect(await member.process.exited).toEqual({ code: 0, signal: null });
      await member.start();
      // HAProxy asks once a second.
      await delay(2_000);
    }
    for (const worker of workers) {
      worker.kill('SIGTERM');
      expect(await worker.exited).toEqual({ code: 0, signal: null });
      await deployment.startWorker();
    }
  });
  process.stdout.write(`rolling: ${figures(attempts)}\n`);
  expect(attempts.filter(({ status }) => status !== 200)).toEqual([]);
  await expectAllStored();
});
