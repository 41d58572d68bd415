// What Lean sends meanwhile: every event of the plan at its time, repeated by Lean's schedule on a fast clock until it
// is acknowledged, and in between forgeries that must never be.
import { setTimeout as delay } from 'node:timers/promises';
import { createRealClock } from '../simulator/clock.ts';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import { planDeliveries } from '../simulator/plan-deliveries.ts';
import type { Random } from '../simulator/random.ts';
import { entityCreated, type WebhookEvent } from '../simulator/webhook-bodies.ts';
import { createWebhookSender, type WebhookSender } from '../simulator/webhook-sender.ts';
import type { Stage } from './stage.ts';

export interface LoadReport {
  /** Deliveries, duplicates included. */
  readonly planned: number;
  /** Attempts over HTTP or TLS, forgeries aside. */
  readonly attempts: number;
  readonly acknowledged: number;
  /** Event ids with at least one 200. */
  readonly ackedIds: ReadonlySet<string>;
  readonly forgedIds: ReadonlySet<string>;
  readonly forgedAccepted: number;
  readonly answers: ReadonlyMap<string, number>;
}

/** A minute of Lean's schedule in half a second: 180 minutes are a minute and a half. */
const clockSpeed = 120;
const connections = 24;
const forgedShare = 0.04;

export async function sendLoad(options: {
  stage: Stage;
  customers: SimulatedCustomers;
  random: Random;
  seed: string;
  count: number;
  forMs: number;
}): Promise<LoadReport> {
  const { stage, customers, random, seed, count, forMs } = options;
  const plan = planDeliveries({ customers, count, duplicateRate: 0.3, seed });
  const lean = createWebhookSender({
    url: stage.webhookUrl,
    identity: stage.pki.lean.webhookClient,
    ca: stage.pki.serverCaPem,
    secret: stage.secret,
    connections,
    clock: createRealClock({ speed: clockSpeed }),
  });
  const forgers = createForgers(stage);
  const startedMs = performance.now();
  const underWay: Promise<unknown>[] = [];
  try {
    for (const [index, event] of plan.entries()) {
      await delay(Math.max(0, startedMs + (forMs * index) / plan.length - performance.now()));
      underWay.push(lean.send(event));
      if (random.chance(forgedShare)) underWay.push(forgers.send(forgery(customers, random), random));
    }
    await Promise.all(underWay);
    // Lean has given these up by now; the comparison of the tables needs every event once.
    const given = lean.history.filter(({ acked }) => !acked);
    await Promise.all(given.map(({ eventId, body }) => lean.send({ eventId, body })));
  } finally {
    await Promise.all([lean.close(), forgers.close()]);
  }
  return report(lean, forgers, plan.length);
}

function report(lean: WebhookSender, forgers: Forgers, planned: number): LoadReport {
  const attempts = lean.history.flatMap((record) => record.attempts);
  const answers = new Map<string, number>();
  for (const { status, error } of attempts) {
    const answer = status === null ? `none (${error?.split(':', 1)[0] ?? 'unknown'})` : String(status);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return {
    planned,
    attempts: attempts.length,
    acknowledged: attempts.filter(({ status }) => status === 200).length,
    ackedIds: new Set(lean.history.filter(({ acked }) => acked).map(({ eventId }) => eventId)),
    forgedIds: new Set(forgers.history().map(({ eventId }) => eventId)),
    forgedAccepted: forgers.history().filter(({ acked }) => acked).length,
    answers,
  };
}

function forgery(customers: SimulatedCustomers, random: Random): WebhookEvent {
  const timestamp = new Date().toISOString().replace('Z', '000001Z');
  return entityCreated(random.pick(customers.entities), { eventId: random.uuid(), timestamp });
}

interface Forgers {
  send(event: WebhookEvent, random: Random): Promise<unknown>;
  history(): WebhookSender['history'];
  close(): Promise<unknown>;
}

/** Strangers with everything but one proof. */
function createForgers({ pki, secret, webhookUrl }: Stage): Forgers {
  const { webhookClient } = pki.lean;
  const hands = [
    { identity: null, secret },
    { identity: pki.rogue, secret },
    { identity: pki.otherCustomer, secret },
    { identity: pki.application, secret },
    { identity: webhookClient, secret: 'not the secret' },
    { identity: webhookClient, secret: null },
  ];
  const senders = hands.map((hand) =>
    createWebhookSender({ ...hand, url: webhookUrl, ca: pki.serverCaPem, connections: 1, retryMinutes: [] }),
  );
  return {
    send: (event, random) => random.pick(senders).send(event),
    history: () => senders.flatMap(({ history }) => history),
    close: () => Promise.all(senders.map((sender) => sender.close())),
  };
}
