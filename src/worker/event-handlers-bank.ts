// A bank went away or is back. Only what Lean fetches from that bank is held up meanwhile, and it goes on at once. An
// event without a time may be older than what is known: then Lean is asked for its banks, and the list holds.
import { normalizeBank } from '../lean/normalize-bank.ts';
import { webhookPayloadSchemas } from '../lean/wire-webhook.ts';
import { readBankAvailability, resumeBank, upsertBanks } from '../store/bank-store.ts';
import { wakeBankSteps } from '../store/bank-step-store.ts';
import { appendChanges } from '../store/change-store.ts';
import { makeSweepDue } from '../store/sweep-store.ts';
import { orderOf, processed, readPayload, type HandlerAnswer, type HandlerContext } from './event-handler.ts';

export async function onBankAvailability(context: HandlerContext): Promise<HandlerAnswer> {
  const { database, transaction, event, envelope } = context;
  const wire = readPayload(webhookPayloadSchemas['bank.availability.updated'], envelope);
  const bank = normalizeBank({ wire, raw: '' });
  // `enabled` is what a customer of Lean has chosen: in an event that may be meant for another one it is not ours.
  const ours = event.ownershipProven ? bank : { ...bank, enabledData: null, enabledPayments: null };
  const { bankIdentifier } = bank;
  // Before the bank's own row is locked, as the sweep does it.
  if (envelope.timestamp === null) await makeSweepDue(transaction, 'banks');
  const before = await readBankAvailability(transaction, bankIdentifier);
  await upsertBanks(database, transaction, {
    banks: [ours],
    order: orderOf(context),
    source: 'event',
    keyRing: null,
  });
  const after = await readBankAvailability(transaction, bankIdentifier);
  const isBack = after.isAvailable && (!before.isAvailable || before.pausedUntil !== null);
  if (isBack || before.isAvailable !== after.isAvailable) {
    const reason = after.isAvailable ? null : 'LEAN_BANK_DISABLED';
    await appendChanges(transaction, [
      {
        change: 'bank.updated',
        entityId: null,
        customerId: null,
        eventKey: event.eventKey,
        details: { bankIdentifier, isAvailable: after.isAvailable, reason },
      },
    ]);
  }
  if (!isBack) return processed();
  await resumeBank(transaction, bankIdentifier);
  return processed({
    jobs: await wakeBankSteps(database, transaction, bankIdentifier),
  });
}
