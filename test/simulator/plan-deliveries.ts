// Plans a long run of webhooks for many customers: duplicates, shuffled, unknown types in between. Whatever the order, the
// state at the end is the same: for every entity its data are final before the first delivery and a terminal refresh is in it.
import type { SimulatedCustomers, SimulatedEntity } from './customers.ts';
import { createRandom, type Random } from './random.ts';
import {
  entityCreated,
  entityUpdated,
  paymentCreated,
  refreshUpdated,
  terminalStatus,
  v1EntityCreated,
  webhookEvent,
  type Envelope,
  type WebhookEvent,
} from './webhook-bodies.ts';

export interface DeliveryPlanOptions {
  customers: SimulatedCustomers;
  /** How many deliveries, duplicates included. */
  count: number;
  /** The share of deliveries that repeat an event, 0 up to 0.8. */
  duplicateRate: number;
  seed: string;
  /** Default v2. In v1 `entity.created` itself announces the data, and nothing tells of refreshes or permissions. */
  dialect?: 'v1' | 'v2';
}

/** Lean's first attempt and its six repeats. */
const deliveriesPerEventLimit = 7;
const eventsPerEntity = { v1: 1, v2: 4 };

/** Equal options give equal bytes in equal order. Throws where `count` is too small for every entity's own events. */
export function planDeliveries(options: DeliveryPlanOptions): WebhookEvent[] {
  const { customers, count, duplicateRate, seed, dialect = 'v2' } = options;
  const { entities } = customers;
  const random = createRandom(`${seed}/deliveries`);
  const duplicates = Math.round(count * duplicateRate);
  const unique = count - duplicates;
  if (
    unique < entities.length * eventsPerEntity[dialect] ||
    duplicates > unique * (deliveriesPerEventLimit - 1)
  ) {
    throw new Error(
      `${count} deliveries are too few for ${entities.length} entities and ${duplicates} duplicates`,
    );
  }
  const { necessary, further } = dialect === 'v1' ? v1Story : v2Story;
  const events = entities.flatMap((entity) => necessary(entity, random));
  while (events.length < unique) events.push(further(random.pick(entities), random));
  return random.shuffle([...events, ...repeats(events, { random, count: duplicates })]);
}

/** What every entity goes through: created with fewer permissions, pending, changed to its final permissions, done. */
function necessaryEvents(entity: SimulatedEntity, random: Random): WebhookEvent[] {
  const refreshId = entity.refreshes[0]?.refreshId ?? random.uuid();
  const before = entity.permissions.filter((permission) => permission !== 'identity');
  return [
    entityCreated(entity, { ...envelope(entity, { random, second: 0 }), permissions: before }),
    refreshUpdated(entity, { ...envelope(entity, { random, second: 1 }), refreshId, status: 'PENDING' }),
    entityUpdated(entity, envelope(entity, { random, second: 2 })),
    refreshUpdated(entity, {
      ...envelope(entity, { random, second: 9 }),
      refreshId,
      status: terminalStatus(entity),
    }),
  ];
}

function furtherEvent(entity: SimulatedEntity, random: Random): WebhookEvent {
  const facts = envelope(entity, { random, second: random.integer(10, 3600) });
  const kind = random.next();
  if (kind < 0.35) return refreshUpdated(entity, { ...facts, refreshId: random.uuid(), status: 'PENDING' });
  if (kind < 0.4) {
    return refreshUpdated(entity, { ...facts, refreshId: random.uuid(), status: terminalStatus(entity) });
  }
  return kind < 0.75 ? payment(entity, facts, random) : unknownEvent(entity, facts, random);
}

function payment(entity: SimulatedEntity, facts: Envelope, random: Random): WebhookEvent {
  return paymentCreated(entity, {
    ...facts,
    paymentId: random.uuid(),
    intentId: random.uuid(),
    destinationId: random.uuid(),
    amount: `${random.digits(16)}.${random.digits(2)}`,
    status: 'ACCEPTED_BY_BANK',
  });
}

function unknownEvent(entity: SimulatedEntity, facts: Envelope, random: Random): WebhookEvent {
  const type = random.pick(['transaction.account', 'consent.authorised', 'something.new']);
  return webhookEvent({ ...facts, type, payload: { id: random.uuid(), customer_id: entity.customerId } });
}

interface Story {
  /** What every entity goes through. */
  necessary: (entity: SimulatedEntity, random: Random) => WebhookEvent[];
  /** One of the events in between. */
  further: (entity: SimulatedEntity, random: Random) => WebhookEvent;
}

const v2Story: Story = { necessary: necessaryEvents, further: furtherEvent };

const v1Story: Story = {
  necessary: (entity, random) => [v1EntityCreated(entity, envelope(entity, { random, second: 0 }))],
  further(entity, random) {
    const facts = envelope(entity, { random, second: random.integer(10, 3600) });
    return random.chance(0.6) ? payment(entity, facts, random) : unknownEvent(entity, facts, random);
  },
};

function repeats(
  events: readonly WebhookEvent[],
  options: { random: Random; count: number },
): WebhookEvent[] {
  const { random, count } = options;
  const deliveries = new Map<string, number>();
  const chosen: WebhookEvent[] = [];
  while (chosen.length < count) {
    const event = random.pick(events);
    const made = deliveries.get(event.eventId) ?? 1;
    if (made >= deliveriesPerEventLimit) continue;
    deliveries.set(event.eventId, made + 1);
    chosen.push(event);
  }
  return chosen;
}

/** Lean cuts trailing zeros, so the fraction has six to nine digits. */
function envelope(entity: SimulatedEntity, options: { random: Random; second: number }): Envelope {
  const { random, second } = options;
  const at = new Date(Date.parse(entity.createdAt) + second * 1000).toISOString().slice(0, 19);
  return { eventId: random.uuid(), timestamp: `${at}.${random.digits(random.integer(6, 9))}Z` };
}
