// Ends an event outside of a handler's transaction, and counts it once, however many jobs come to that end.
import type { Metrics } from '../observability/metrics.ts';
import type { Database } from '../store/database.ts';
import { concludeEvent, type Conclusion } from '../store/event-store.ts';

interface ConcludeDeps {
  readonly database: Database;
  readonly metrics: Pick<Metrics, 'events'>;
}

export async function conclude(
  { database, metrics }: ConcludeDeps,
  { eventKey, conclusion }: { readonly eventKey: string; readonly conclusion: Conclusion },
): Promise<void> {
  if (await concludeEvent(database.db, eventKey, conclusion)) metrics.events.inc({ state: conclusion.state });
}
