// Short stories of one customer, told to a running service by webhooks, each with what should become of them.
import { randomUUID } from 'node:crypto';
import type { Identity } from '../support/pki.ts';
import type { SimulatedEntity } from './customers.ts';
import {
  entityCreated,
  entityUpdated,
  refreshUpdated,
  terminalStatus,
  type WebhookEvent,
} from './webhook-bodies.ts';
import { createWebhookSender, type DeliveryRecord, type WebhookSender } from './webhook-sender.ts';

export const storyNames = ['link-bank', 'refresh', 'revoke', 'forge', 'duplicate'] as const;
export type StoryName = (typeof storyNames)[number];

export const storySummaries: Readonly<Record<StoryName, string>> = {
  'link-bank': 'a customer connects a bank: entity.created, two PENDING refreshes, the finished one',
  refresh: 'the bank is read again for the newest customer: new transactions, other balances',
  revoke: 'the newest customer takes permissions back: entity.updated',
  forge: 'five strangers knock: no certificate, a rogue one, another customer, wrong and missing signature',
  duplicate: 'one event is delivered seven times',
};

export interface StoryStage {
  url: string;
  /** Trust anchor of the receiver's certificate. */
  ca?: string;
  identities: { lean: { webhookClient: Identity }; otherCustomer: Identity; rogue: Identity };
  secret: string;
  /** As it is after the story's change: its newest refresh and its permissions are what the webhooks tell. */
  entity: SimulatedEntity;
  onDelivery?: (delivery: StoryDelivery) => void;
}

export interface StoryDelivery {
  title: string;
  expected: 'acknowledged' | 'refused';
  record: DeliveryRecord;
  asExpected: boolean;
}

export interface StoryReport {
  story: StoryName;
  /** Every delivery ended as expected. */
  ok: boolean;
  deliveries: StoryDelivery[];
}

/** Sends the story's webhooks one after the other, each once, and tells what became of them. */
export async function playStory(story: StoryName, stage: StoryStage): Promise<StoryReport> {
  const deliveries: StoryDelivery[] = [];
  const senders = createSenders(stage);
  try {
    for (const scene of scenesOf(story, stage)) {
      const delivery = await playScene(scene, senders.of(scene));
      deliveries.push(delivery);
      stage.onDelivery?.(delivery);
    }
  } finally {
    await senders.close();
  }
  return { story, ok: deliveries.every(({ asExpected }) => asExpected), deliveries };
}

interface Scene {
  title: string;
  event: WebhookEvent;
  expected: StoryDelivery['expected'];
  identity: Identity | null;
  secret: string | null;
}

function scenesOf(story: StoryName, stage: StoryStage): Scene[] {
  const { entity, identities, secret } = stage;
  const byLean = (event: WebhookEvent): Scene => ({
    title: event.type,
    event,
    expected: 'acknowledged',
    identity: identities.lean.webhookClient,
    secret,
  });
  switch (story) {
    case 'link-bank':
      return [entityCreated(entity, envelope()), ...refreshEvents(entity)].map(byLean);
    case 'refresh':
      return refreshEvents(entity).map(byLean);
    case 'revoke':
      return [byLean(entityUpdated(entity, envelope()))];
    case 'duplicate': {
      const scene = byLean(entityUpdated(entity, envelope()));
      return Array.from({ length: 7 }, (_, position) => ({
        ...scene,
        title: `${scene.title}, delivery ${position + 1} of 7`,
      }));
    }
    case 'forge': {
      const { otherCustomer, rogue } = identities;
      const { webhookClient } = identities.lean;
      const forged = (title: string, by: { identity: Identity | null; secret: string | null }): Scene => ({
        title,
        event: entityCreated(entity, envelope()),
        expected: 'refused',
        ...by,
      });
      return [
        forged('no certificate', { identity: null, secret }),
        forged("a rogue authority's certificate with Lean's name", { identity: rogue, secret }),
        forged("another customer's certificate of Lean", { identity: otherCustomer, secret }),
        forged('wrong signature', { identity: webhookClient, secret: 'not the secret' }),
        forged('no signature', { identity: webhookClient, secret: null }),
      ];
    }
  }
}

/** Pending twice, then done, as Lean tells of one refresh. */
function refreshEvents(entity: SimulatedEntity): WebhookEvent[] {
  const refreshId = entity.refreshes[0]?.refreshId ?? randomUUID();
  return ['PENDING', 'PENDING', terminalStatus(entity)].map((status) =>
    refreshUpdated(entity, { ...envelope(), refreshId, status }),
  );
}

/** One sender, and so one kept connection, for scenes in a row that come from the same hand. */
function createSenders({ url, ca }: StoryStage) {
  let current: { hand: Pick<Scene, 'identity' | 'secret'>; sender: WebhookSender } | null = null;
  const opened: WebhookSender[] = [];
  return {
    of({ identity, secret }: Scene): WebhookSender {
      if (current?.hand.identity === identity && current.hand.secret === secret) return current.sender;
      const sender = createWebhookSender({
        url,
        identity,
        secret,
        connections: 1,
        retryMinutes: [],
        ...(ca === undefined ? {} : { ca }),
      });
      opened.push(sender);
      current = { hand: { identity, secret }, sender };
      return sender;
    },
    async close() {
      await Promise.all(opened.map((sender) => sender.close()));
    },
  };
}

async function playScene(scene: Scene, sender: WebhookSender): Promise<StoryDelivery> {
  const { title, expected, event } = scene;
  const record = await sender.send(event);
  const asExpected = expected === 'acknowledged' ? record.acked : wasRefused(record);
  return { title, expected, record, asExpected };
}

/** Refused is an answer of 401 or 403, or a handshake that failed; a service that is not there refuses nobody. */
function wasRefused({ attempts }: DeliveryRecord): boolean {
  const { status, error } = attempts.at(-1) ?? { status: null, error: null };
  if (status !== null) return status === 401 || status === 403;
  return error !== null && !/ECONNREFUSED|ENOTFOUND|TIMEOUT/i.test(error);
}

let eventsMade = 0;

/** Now, in Lean's nanoseconds; strictly rising within a process, as the order of a story's events is by time. */
function envelope() {
  eventsMade += 1;
  const nanoseconds = String(eventsMade % 1_000_000).padStart(6, '0');
  return { eventId: randomUUID(), timestamp: new Date().toISOString().replace('Z', `${nanoseconds}Z`) };
}
