// One page of Lean's list of events: what is not known is stored as if it had been delivered. Never touches an event
// that is there already.
import { insertSweptEvents } from '../store/swept-event-store.ts';
import { readDelivery } from './intake-job.ts';
import {
  nothingSwept,
  sweepReplyOf,
  type SweepDeps,
  type SweepPage,
  type SweepReply,
} from './sweep-parts.ts';

export async function readEventsPage(
  { database, lean, keyRing, eventKeyKeepDays, metrics, now }: SweepDeps,
  { window, page }: SweepPage,
  signal: AbortSignal,
): Promise<SweepReply> {
  const [from, to] = [window.from.toISOString(), window.to.toISOString()];
  const reply = await lean.getEvents({ from, to, page, signal });
  return sweepReplyOf(reply, ({ items, unreadable }) => async (transaction) => {
    const read = { receivedAt: now().toISOString(), proof: 'none' } as const;
    // An item that cannot be read is kept all the same, as a delivered body would be: in quarantine.
    const texts = [...items, ...unreadable].map(({ raw }) => raw);
    const events = texts.map((raw) => readDelivery(read, Buffer.from(raw)));
    const { found, openEvents } = await insertSweptEvents(database, transaction, {
      events,
      keyRing,
      eventKeyKeepDays,
    });
    for (const { state } of found) if (state !== 'received') metrics.events.inc({ state });
    return { ...nothingSwept, found: found.length, openEvents };
  });
}
