// What Lean's Events API remembers: every event that was to be sent, of the types it lists, for ninety days. It does not
// list refreshes, so their loss can only be noticed by asking for an entity's refreshes.
import { cutPage, type PageRequest } from './reply-bodies.ts';
import type { WebhookEvent } from './webhook-bodies.ts';

/** The enum of the Events API. */
export const listedEventTypes: ReadonlySet<string> = new Set([
  'entity.created',
  'entity.updated',
  'entity.reconnected',
  'results.ready',
  'bank.availability.updated',
  'payment.created',
  'payment.updated',
  'payment_intent.created',
  'payment_intent.expired',
  'bulk_payment_intent.created',
  'bulk_payment_intent.updated',
  'payment_source.created',
  'payment_source.updated',
  'payment_source.beneficiary.created',
  'payment_source.beneficiary.updated',
  'payment.reconciliation.updated',
]);

const keptDays = 90;
const dayMs = 86_400_000;

export interface EventLog {
  /** Each event once, however often it is told; to be told before it is sent, as Lean knows it before it sends. */
  record(events: readonly WebhookEvent[]): void;
  /** One page as Lean writes it, newest first. */
  page(request: PageRequest & { type: string | null; fromMs: number; toMs: number }): string;
}

export function createEventLog({ nowMs }: { nowMs: () => number }): EventLog {
  const kept = new Map<string, { event: WebhookEvent; atMs: number; text: string }>();
  return {
    record(events) {
      for (const event of events) {
        if (!listedEventTypes.has(event.type) || kept.has(event.eventId)) continue;
        const { text, timestamp } = eventItem(event);
        kept.set(event.eventId, { event, atMs: Date.parse(timestamp), text });
      }
    },
    page({ page, size, type, fromMs, toMs }) {
      const oldestMs = Math.max(fromMs, nowMs() - keptDays * dayMs);
      const found = [...kept.values()]
        .filter(({ event, atMs }) => (type ?? event.type) === event.type && atMs >= oldestMs && atMs <= toMs)
        .toSorted((one, other) => other.atMs - one.atMs);
      const cut = cutPage(found, { page, size });
      const { sort: _notHere, ...totals } = cut.page;
      return `{"data":[${cut.items.map(({ text }) => text).join(',')}],"page":${JSON.stringify(totals)}}`;
    },
  };
}

/** The pushed body with its members in the order of the Events API; the payload's text is the very same. */
function eventItem({ eventId, type, body }: WebhookEvent): { text: string; timestamp: string } {
  const pushed: unknown = JSON.parse(body);
  const { message, timestamp } = textsOf(pushed);
  const before = `{"type":${JSON.stringify(type)},"message":${JSON.stringify(message)},"payload":`;
  const after = `,"event_id":${JSON.stringify(eventId)},"timestamp":${JSON.stringify(timestamp)}}`;
  if (!body.startsWith(before) || !body.endsWith(after)) return { text: body, timestamp };
  const rest = JSON.stringify({ type, message, timestamp, event_id: eventId }).slice(1);
  return { text: `{"payload":${body.slice(before.length, -after.length)},${rest}`, timestamp };
}

function textsOf(pushed: unknown): { message: string; timestamp: string } {
  const member = (name: string) => {
    const found = typeof pushed === 'object' && pushed !== null ? Object.entries(pushed) : [];
    return String(found.find(([key]) => key === name)?.[1] ?? '');
  };
  return { message: member('message'), timestamp: member('timestamp') };
}
