// What `simulate -- acceptance` sends: customers of its own and their webhooks in two chapters, so that data which is
// already there changes as well. Only values; sends nothing.
import { revokeConsent } from './consents.ts';
import { generateCustomers, refreshEntity, type Region, type SimulatedCustomers } from './customers.ts';
import { planDeliveries } from './plan-deliveries.ts';
import { createRandom, type Random } from './random.ts';
import {
  entityCreated,
  entityUpdated,
  refreshUpdated,
  terminalStatus,
  webhookEvent,
  type WebhookEvent,
} from './webhook-bodies.ts';

/** Every customer id and entity id of an acceptance run begins with it. */
export const acceptancePrefix = 'accec0de';

export const webhooksMin = 40;
export const webhooksMax = 20_000;

export interface AcceptancePlan {
  readonly customers: SimulatedCustomers;
  /** In this order, some under way at a time. */
  readonly first: readonly WebhookEvent[];
  /** One event seven times, all at once. */
  readonly burst: readonly WebhookEvent[];
  /** Changes the customers, and gives what tells of it: to be called when the first chapter is settled. */
  readonly second: (nowMs: number) => WebhookEvent[];
  /** Well made, and by nobody who may say so. */
  readonly forged: WebhookEvent;
}

const entityShare = 0.14;
const refreshedShare = 0.3;
const revokedShare = 0.1;
const rewrittenShare = 0.02;
const duplicateRate = 0.25;
const burstSize = 7;
/** Whether anybody is there is asked first. */
const probes = 1;
/** The first chapter tells of up to an hour after a customer has connected, and none of it may be still to come. */
const connectedBeforeMs = 2 * 3_600_000;

/** Equal arguments give equal bytes. `webhooks` counts every delivery but the forged one. */
export function planAcceptance(options: {
  readonly seed: string;
  readonly webhooks: number;
  readonly region: Region;
  readonly nowMs: number;
}): AcceptancePlan {
  const { seed, webhooks, region, nowMs } = options;
  const random = createRandom(`${seed}/acceptance`);
  const count = Math.floor(webhooks * entityShare);
  const customers = ownCustomers({ seed, count, region, atMs: nowMs - connectedBeforeMs });
  const refreshed = Math.ceil(count * refreshedShare);
  const revoked = Math.ceil(count * revokedShare);
  const rewritten = Math.ceil(webhooks * rewrittenShare);
  const plain = planDeliveries({
    customers,
    count: webhooks - probes - burstSize - rewritten - refreshed - revoked,
    duplicateRate,
    seed,
  });
  const [one] = customers.entities;
  if (one === undefined) throw new Error('too few webhooks for a single customer');
  const known = { customer_id: one.customerId };
  const envelope = () => envelopeAt(random, nowMs - connectedBeforeMs / 2);
  return {
    customers,
    first: random.shuffle([...plain, ...rewrite(plain, rewritten, random)]),
    burst: Array<WebhookEvent>(burstSize).fill(
      webhookEvent({ ...envelope(), type: 'acceptance.burst', payload: known }),
    ),
    second: (atMs) => laterEvents({ customers, random, refreshed, revoked, atMs }),
    forged: entityCreated(one, envelope()),
  };
}

function ownCustomers(options: {
  readonly seed: string;
  readonly count: number;
  readonly region: Region;
  readonly atMs: number;
}): SimulatedCustomers {
  const { seed, count, region, atMs } = options;
  const at = new Date(atMs).toISOString();
  const customers = generateCustomers({ seed, entities: count, accounts: 1, transactions: 12, region, at });
  for (const entity of customers.entities) {
    entity.entityId = acceptancePrefix + entity.entityId.slice(acceptancePrefix.length);
    entity.customerId = acceptancePrefix + entity.customerId.slice(acceptancePrefix.length);
  }
  return customers;
}

/** The same events as Lean writes them after a change of its own software: other order of members, other spaces. */
function rewrite(events: readonly WebhookEvent[], count: number, random: Random): WebhookEvent[] {
  // A payment's amount may have more digits than a number of JavaScript's holds.
  const candidates = events.filter(({ type }) => type.startsWith('entity.'));
  return random
    .shuffle(candidates)
    .slice(0, count)
    .map(({ eventId, type, body }) => ({
      eventId,
      type,
      body: JSON.stringify(turned(JSON.parse(body)), null, 2),
    }));
}

function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).toReversed();
  return Object.fromEntries(members.map(([name, member]) => [name, turned(member)]));
}

interface Later {
  readonly customers: SimulatedCustomers;
  readonly random: Random;
  readonly refreshed: number;
  readonly revoked: number;
  readonly atMs: number;
}

/** Some banks are read again, and some customers take their consent back: never the same one. */
function laterEvents({ customers, random, refreshed, revoked, atMs }: Later): WebhookEvent[] {
  const at = new Date(atMs).toISOString();
  const chosen = random.shuffle(customers.entities);
  const read = chosen.slice(0, refreshed).map((entity) => {
    const refreshId = random.uuid();
    entity.refreshes.unshift({ refreshId, status: 'FINISHED', createdAt: at, updatedAt: at });
    refreshEntity(entity, { at });
    const status = terminalStatus(entity);
    return refreshUpdated(entity, { ...envelopeAt(random, atMs), refreshId, status });
  });
  const ended = chosen.slice(refreshed, refreshed + revoked).map((entity) => {
    revokeConsent(entity, { at });
    return entityUpdated(entity, envelopeAt(random, atMs));
  });
  return random.shuffle([...read, ...ended]);
}

function envelopeAt(random: Random, ms: number): { eventId: string; timestamp: string } {
  const timestamp = new Date(ms).toISOString().replace('Z', `${random.digits(6)}Z`);
  return { eventId: random.uuid(), timestamp };
}
