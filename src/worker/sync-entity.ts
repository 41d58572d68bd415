// The entity itself, read again in a run: what Lean says of it now holds, with its consents, and where that ends or
// reopens the way to its data the application learns it. Never overrules what a call for data said afterwards.
import { readKnownEntities } from '../store/listed-entity-store.ts';
import { resolveResults } from '../store/pending-results-store.ts';
import { closeRun } from '../store/sync-store.ts';
import { endStep } from '../store/sync-step-store.ts';
import { applyEntityWord, stoppedRunCode } from './entity-state.ts';
import { storeListedConsents } from './listed-consents.ts';
import { currentFacts, stateOf } from './listed-entity.ts';
import { replyOrder } from './reply-order.ts';
import type { EntityReply } from './sync-call.ts';
import { closeWhenFinished } from './sync-close.ts';
import type { StepContext, StepResult } from './sync-context.ts';
import { stopRun } from './sync-failure.ts';

export async function applyEntity(
  context: StepContext,
  { listed, at, facts }: EntityReply,
): Promise<StepResult> {
  const { database, transaction, step, now, keyRing } = context;
  const { entityId, customerId, eventKey, syncId, stepKey } = step;
  const order = replyOrder({ at, facts, now, key: `${syncId}:${stepKey}` });
  if (listed.isGone) return stopRun(context, { code: 'LEAN_ENTITY_UNKNOWN', reconnectId: null }, order);
  const known = (await readKnownEntities(transaction, [entityId])).get(entityId);
  const said = known === undefined ? null : stateOf(listed, known);
  const origin = { syncId };
  const entity = currentFacts(listed);
  const { applied } = await applyEntityWord(database, transaction, {
    facts: entity,
    order,
    state: said?.state ?? null,
    sinceNs: said?.sinceNs ?? null,
    locked: { former: known },
    eventKey,
    origin,
  });
  await storeListedConsents(database, transaction, {
    entityId,
    customerId: entity.customerId ?? customerId,
    consents: listed.consents,
    order,
    keyRing,
    eventKey,
    origin,
  });
  if (step.resultsId !== null) await resolveResults(transaction, step.resultsId);
  await endStep(transaction, { ...step, state: 'done', failureCode: null });
  const isStopped = entity.permissions?.length === 0 && applied.state !== 'active';
  const closed = isStopped
    ? await closeRun(database, transaction, { syncId, state: 'failed', failureCode: stoppedRunCode })
    : await closeWhenFinished(context);
  return { outcome: 'done', jobs: [], closed, pauseMs: null };
}
