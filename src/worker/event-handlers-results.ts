// Results that Lean has promised earlier are ready. The announcement may overtake our own note that we asked, so an
// unknown id stays open for a while before it is given up.
import { webhookPayloadSchemas } from '../lean/wire-webhook.ts';
import { recordTry } from '../store/event-store.ts';
import { haveAskedFor, markResultsReady } from '../store/pending-results-store.ts';
import { processed, readPayload, type HandlerAnswer, type HandlerContext } from './event-handler.ts';

/** Far longer than the way from Lean's PENDING to our row takes, retries included. */
const unknownForMs = 3_600_000;
/** A worker that was away for that hour has looked but once: that is no answer yet. */
const fewestLooks = 3;

export async function onResultsReady(context: HandlerContext): Promise<HandlerAnswer> {
  const { database, transaction, event, envelope, now } = context;
  const { id: resultsId } = readPayload(webhookPayloadSchemas['results.ready'], envelope);
  // Nothing is written for results that may be somebody else's: that we asked for them is the proof that they are ours.
  if (event.ownershipProven || (await haveAskedFor(transaction, resultsId))) {
    const at = envelope.timestamp?.at ?? event.receivedAt.toISOString();
    const pair = await markResultsReady(database, transaction, { resultsId, eventKey: event.eventKey, at });
    if (pair === 'paired') return processed({ resultsIds: [resultsId] });
  }
  const { tries, triedForMs } = await recordTry(transaction, { eventKey: event.eventKey, now });
  if (triedForMs < unknownForMs || tries < fewestLooks) {
    return { kind: 'open', outcome: 'results_unknown_yet' };
  }
  return { kind: 'concluded', conclusion: { state: 'ignored', failureCode: 'RESULTS_UNKNOWN' } };
}
