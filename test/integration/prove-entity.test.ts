// Whose an event without a signature is: Lean's answers to our question, with a real database.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LeanFailure } from '../../src/lean/lean-failures.ts';
import type { FailedReply } from '../../src/lean/lean-reply.ts';
import type { EventQueueJob } from '../../src/queue/work-queues.ts';
import { createProveEntity, type ProveEntityDeps } from '../../src/worker/prove-entity.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';
import { entityBody } from '../support/event-bodies.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { factsOf } from '../support/sync-parts.ts';
import { createWorkerParts, eventRows, type WorkerParts } from '../support/worker-parts.ts';

const hourMs = 3_600_000;
const { signal } = new AbortController();

let test: TestDatabase;
let worker: WorkerParts;
beforeEach(async () => {
  test = await openTestDatabase({ handedOn: true });
  worker = createWorkerParts(test.database);
});
afterEach(() => test.drop());

function refusing(failure: Pick<LeanFailure, 'code' | 'action' | 'retryClass'>): ProveEntityDeps['lean'] {
  const rest = { reconnectId: null, leanStatus: null, granularStatus: null };
  const reply: FailedReply = { kind: 'failed', failure: { ...rest, ...failure }, facts: factsOf('entity') };
  return { getAccounts: () => Promise.resolve(reply), getEntity: () => Promise.resolve(reply) };
}

function createProof(lean: ProveEntityDeps['lean']) {
  const eventJobs: EventQueueJob[] = [];
  let now = Date.now();
  const prove = createProveEntity({
    database: test.database,
    lean,
    eventQueue: {
      add: (jobs) => {
        eventJobs.push(...jobs);
        return Promise.resolve();
      },
    },
    logger: silentLogger,
    metrics: worker.metrics,
    now: () => new Date(now),
    random: () => 0.5,
  });
  return {
    eventJobs,
    /** Asks until there is nothing more to ask, each time when the queue would; says how often and for how long. */
    toTheEnd: async () => {
      const startedAt = now;
      for (let asked = 1; ; asked += 1) {
        const verdict = await prove('event', signal);
        if (verdict.kind === 'done') return { asked, ms: now - startedAt };
        now += verdict.delayMs;
      }
    },
    ask: () => prove('event', signal),
  };
}

async function store(receivedAt = new Date()): Promise<void> {
  await worker.intake([
    {
      body: entityBody({ eventId: 'event' }),
      proof: 'certificate',
      receivedAt: receivedAt.toISOString(),
    },
  ]);
}

describe('the question whose an entity is', () => {
  it('is asked for a day from the first time, however long the event had waited before', async () => {
    await store(new Date(Date.now() - 48 * hourMs));
    const { toTheEnd } = createProof(
      refusing({ code: 'LEAN_BANK_ISSUE', action: 'retry', retryClass: 'lean_bank_issue' }),
    );
    const { asked, ms } = await toTheEnd();
    expect(ms).toBeGreaterThan(23 * hourMs);
    expect(asked).toBeGreaterThan(12);
    expect(await eventRows(test.database)).toMatchObject([
      { state: 'failed', failure_code: 'LEAN_BANK_ISSUE' },
    ]);
  });

  it('of everybody is held back after too many requests', async () => {
    await store();
    const { ask } = createProof(
      refusing({ code: 'LEAN_RATE_LIMITED', action: 'retry', retryClass: 'lean_rate_limit' }),
    );
    expect(await ask()).toMatchObject({ kind: 'paused' });
  });

  it('waits for an operator, minutes at a time, where Lean refuses us', async () => {
    await store();
    const refusal = { code: 'LEAN_ACCESS_DENIED', action: 'stop_alert', retryClass: null } as const;
    const verdict = await createProof(refusing(refusal)).ask();
    expect(verdict).toMatchObject({ kind: 'later' });
    expect(verdict.kind === 'later' && verdict.delayMs).toBeGreaterThanOrEqual(5 * 60_000);
    expect(await eventRows(test.database)).toMatchObject([{ state: 'received' }]);
  });

  it('answered yes gives the event a job that its own unfinished one does not swallow', async () => {
    await store();
    const { ask, eventJobs } = createProof(
      refusing({ code: 'RECONNECT_REQUIRED', action: 'stop_entity', retryClass: null }),
    );
    expect(await ask()).toEqual({ kind: 'done' });
    const asking = worker.eventJobs.map(({ id }) => id);
    expect(eventJobs).toMatchObject([{ data: { eventKey: 'event' } }]);
    expect(asking).not.toContain(eventJobs[0]?.id);
  });
});
