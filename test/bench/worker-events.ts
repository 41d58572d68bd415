// Events for benchmarks: made in any number, each with an id of its own, stored as intake stores them or handed to a
// worker's intake as a receiver's forwarder hands them.
import { randomUUID } from 'node:crypto';
import { openIntakeQueue } from '../../src/queue/intake-queue.ts';
import { readKeyRing } from '../../src/sealing/key-ring.ts';
import { seal } from '../../src/sealing/seal.ts';
import { storeBatch, type OpenEvent } from '../../src/store/intake-store.ts';
import { readDelivery } from '../../src/worker/intake-job.ts';
import type { SimulatedEntity } from '../simulator/customers.ts';
import { entityCreated, refreshUpdated, terminalStatus } from '../simulator/webhook-bodies.ts';
import { queuePrefix } from './launches.ts';
import type { WorkerStage } from './worker-stage.ts';

/** What the worker does with each: writes rows, and asks Lean nothing. */
export type QuietKind = 'refresh started' | 'entity created';

/** Of as many entities as there are events. */
export function quietBody(kind: QuietKind, like: SimulatedEntity): string {
  const entity = { ...like, entityId: randomUUID(), customerId: randomUUID() };
  const envelope = { eventId: randomUUID(), timestamp: nowText() };
  if (kind === 'entity created') return entityCreated(entity, envelope).body;
  return refreshUpdated(entity, { ...envelope, refreshId: randomUUID(), status: 'PENDING' }).body;
}

/** A finished refresh, for which everything is fetched. */
export function finishedBody(entity: SimulatedEntity): string {
  const refreshId = entity.refreshes[0]?.refreshId ?? randomUUID();
  const facts = { eventId: randomUUID(), timestamp: nowText(), refreshId, status: terminalStatus(entity) };
  return refreshUpdated(entity, facts).body;
}

function nowText(): string {
  return new Date().toISOString().replace('Z', '000000Z');
}

const batchSize = 256;

/** Straight into Postgres, in batches as intake's; gives what needs a job. */
export async function storeEvents(stage: WorkerStage, bodies: readonly string[]): Promise<OpenEvent[]> {
  const keyRing = readKeyRing({ keysBase64: [stage.parts.payloadKey], sealing: 'on' });
  const open: OpenEvent[] = [];
  for (let from = 0; from < bodies.length; from += batchSize) {
    const receivedAt = new Date().toISOString();
    const deliveries = bodies
      .slice(from, from + batchSize)
      .map((body) => readDelivery({ receivedAt, proof: 'signature' }, Buffer.from(body)));
    const jobId = `in_${randomUUID()}_1-${deliveries.length}`;
    const { openEvents } = await storeBatch(stage.database, { jobId, deliveries, keyRing });
    open.push(...openEvents);
  }
  return open;
}

/** Into Redis, as a forwarder does. */
export async function queueDeliveries(stage: WorkerStage, bodies: readonly string[]): Promise<void> {
  const keyRing = readKeyRing({ keysBase64: [stage.parts.payloadKey], sealing: 'on' });
  const intake = openIntakeQueue({ url: stage.redis.url, prefix: queuePrefix, deadlineMs: 10_000 });
  try {
    for (let from = 0; from < bodies.length; from += batchSize) {
      const journalId = randomUUID();
      const chunk = bodies.slice(from, from + batchSize);
      await intake.addBatch({
        journalId,
        first: 1,
        last: chunk.length,
        deliveries: chunk.map((body, index) => ({
          sequence: index + 1,
          receivedAt: new Date().toISOString(),
          proof: 'signature',
          sealed: seal(
            keyRing,
            { purpose: 'delivery', recordId: `${journalId}:${index + 1}` },
            Buffer.from(body),
          ),
        })),
      });
    }
  } finally {
    await intake.close();
  }
}
