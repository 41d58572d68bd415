// Lean as a sender: events of several kinds, each posted until a 200 comes back or its schedule is over, some of them
// several times at once, some again although they were answered, some with another body under the same id.
import { leanRetryMinutes } from '../simulator/webhook-sender.ts';
import { epochMs } from './model-database.ts';
import type { ReceiverRole } from './roles.ts';
import type { Schedule } from './schedule.ts';

/** What one event must come to: one row, of this state, with so many effects. */
export interface EventGroup {
  readonly name: string;
  readonly state: 'processed' | 'ignored' | 'quarantined';
  readonly effects: 0 | 1;
  /** Spellings of one body. */
  readonly bodies: readonly Uint8Array[];
}

export interface Acknowledged {
  readonly group: EventGroup;
  readonly receiver: ReceiverRole;
  readonly sequence: number;
}

export interface ModelLean {
  readonly groups: readonly EventGroup[];
  /** Every event is acknowledged or given up. */
  isDone(): boolean;
  sent(): number;
  /** What it would repeat later it repeats now: the hours in between, with everything well, show nothing. */
  hurry(): void;
}

interface ModelLeanOptions {
  readonly schedule: Schedule;
  readonly receivers: readonly ReceiverRole[];
  readonly events: number;
  /** First attempts are spread over this time. */
  readonly windowMs: number;
  /** A receiver has said 200; whether Lean hears of it is another matter. */
  readonly onAcknowledged: (acknowledged: Acknowledged) => void;
}

const leanTimeoutMs = 10_000;

export function startModelLean(options: ModelLeanOptions): ModelLean {
  const { schedule, events, windowMs } = options;
  const { random } = schedule;
  const groups = Array.from({ length: events }, (_, index) => makeGroups(schedule, index)).flat();
  const waiting = new Map<() => void, () => void>();
  let open = 0;
  let sent = 0;
  for (const group of groups) {
    const atOnce = random.pick([1, 1, 1, 1, 2, 3, 7]);
    const startMs = random.integer(0, windowMs);
    for (let copy = 0; copy < atOnce; copy += 1) deliver(group, startMs);
  }

  function deliver(group: EventGroup, startMs: number): void {
    open += 1;
    const repeats = leanRetryMinutes.values();
    const attempt = () =>
      post(options, group, (answered) => {
        sent += 1;
        const minutes = answered ? undefined : repeats.next().value;
        // An answer that was heard is repeated now and then all the same.
        if (minutes !== undefined) plan(startMs + minutes * 60_000);
        else if (answered && random.chance(0.1)) plan(schedule.nowMs() + random.integer(0, 60_000));
        else open -= 1;
      });
    const plan = (atMs: number) => {
      const run = () => {
        waiting.delete(run);
        attempt();
      };
      const what = `Lean posts ${group.name}`;
      waiting.set(run, schedule.plan({ inMs: atMs - schedule.nowMs(), what, run }));
    };
    plan(startMs);
  }

  return {
    groups,
    isDone: () => open === 0,
    sent: () => sent,
    hurry() {
      const early = [...waiting];
      waiting.clear();
      for (const [run, takeBack] of early) {
        takeBack();
        schedule.plan({ inMs: schedule.latencyMs(), what: 'Lean repeats at once', run });
      }
    },
  };
}

/** One attempt; `heard` is told whether a 200 came in time. */
function post(
  { schedule, receivers, onAcknowledged }: ModelLeanOptions,
  group: EventGroup,
  heard: (answered: boolean) => void,
): void {
  const { random } = schedule;
  const receiver = random.pick(receivers);
  let over = false;
  const conclude = (answered: boolean) => {
    if (!over) heard(answered);
    over = true;
    takeBack();
  };
  const timeout = { inMs: leanTimeoutMs, what: 'Lean waits no longer', run: () => conclude(false) };
  const takeBack = schedule.plan(timeout);
  const arrive = async () => {
    const door = receiver.door();
    if (door === null) {
      conclude(false);
      return;
    }
    const { keep, life } = door;
    const receivedAt = new Date(epochMs + schedule.nowMs()).toISOString();
    const kept = await keep({ body: random.pick(group.bodies), receivedAt, proof: 'signature' }, 0);
    if (life.isOver()) return;
    const { durable, sequence = 0 } = kept;
    const status = durable ? 200 : 503;
    schedule.note(`${life.name} answers ${status} to ${group.name} as ${sequence}`);
    if (durable) onAcknowledged({ group, receiver, sequence });
    // From here on the answer is the network's: it arrives although the receiver dies now, or is lost.
    const what = `Lean hears ${status}`;
    if (!random.chance(0.03))
      schedule.plan({ inMs: schedule.latencyMs(), what, run: () => conclude(durable) });
  };
  schedule.plan({
    inMs: schedule.latencyMs(),
    what: `${group.name} arrives at ${receiver.name}`,
    run: () => void arrive(),
  });
}

function makeGroups({ random }: Schedule, index: number): EventGroup[] {
  const eventId = `event-${index}`;
  const name = `event ${index}`;
  const payload = { id: `entity-${index}`, customer_id: `customer-${index}`, permissions: ['accounts'] };
  const timestamp = '2026-05-12T14:34:40.391243281Z';
  const created = { type: 'entity.created', payload, timestamp, event_id: eventId };
  const processed = { state: 'processed', effects: 1 } as const;
  const quarantined = { state: 'quarantined', effects: 0 } as const;
  switch (random.integer(0, 7)) {
    case 0:
      return [
        { name, state: 'ignored', effects: 1, bodies: [json({ ...created, type: 'payment.created' })] },
      ];
    case 1:
      return [{ name, ...quarantined, bodies: [Buffer.from(`not JSON ${index}`)] }];
    case 2:
      return [{ name, ...quarantined, bodies: [json({ ...created, payload: { id: [] } })] }];
    case 3: {
      const other = { ...created, payload: { ...payload, permissions: ['balance'] } };
      return [
        { name: `${name}a`, ...processed, bodies: [json(created)] },
        { name: `${name}b`, ...processed, bodies: [json(other)] },
      ];
    }
    default: {
      const { type, ...rest } = created;
      return [{ name, ...processed, bodies: [json(created), json({ ...rest, type })] }];
    }
  }
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
