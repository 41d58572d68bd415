// Lean's list of banks: one that went away or came back while its webhook was lost. A pause of our own, which no list
// can know of, goes on.
import type { CanonicalBank } from '../core/canonical-access.ts';
import { normalizeBanks } from '../lean/normalize-bank.ts';
import { wakeBankSteps } from '../store/bank-step-store.ts';
import { readUnavailableBanks, upsertBanks } from '../store/bank-store.ts';
import { appendChanges } from '../store/change-store.ts';
import type { TablesTransaction } from '../store/database.ts';
import type { FactOrder } from '../store/entity-store.ts';
import { replyOrder } from './reply-order.ts';
import {
  nothingSwept,
  sweepReplyOf,
  type SweepDeps,
  type SweepPage,
  type SweepReply,
  type SweptPage,
} from './sweep-parts.ts';

export async function readBanksPage(
  deps: SweepDeps,
  { progress }: SweepPage,
  signal: AbortSignal,
): Promise<SweepReply> {
  const reply = await deps.lean.getBanks({ signal });
  return sweepReplyOf(reply, ({ timestamp, httpDate, facts, items }) => {
    const at = timestamp ?? httpDate;
    const order = replyOrder({ at, facts, now: deps.now(), key: `banks:${progress.revision}` });
    const banks = normalizeBanks(items);
    return (transaction) => storeBanks(deps, transaction, { banks, order });
  });
}

async function storeBanks(
  { database, keyRing }: SweepDeps,
  transaction: TablesTransaction,
  { banks, order }: { readonly banks: readonly CanonicalBank[]; readonly order: FactOrder },
): Promise<SweptPage> {
  const before = await readAway(transaction);
  await upsertBanks(database, transaction, { banks, order, source: 'item', keyRing });
  const after = await readAway(transaction);
  const turned = banks
    .map(({ bankIdentifier }) => bankIdentifier)
    .filter((bankIdentifier) => before.has(bankIdentifier) !== after.has(bankIdentifier))
    .toSorted();
  await appendChanges(
    transaction,
    turned.map((bankIdentifier) => ({
      change: 'bank.updated',
      entityId: null,
      customerId: null,
      details: {
        bankIdentifier,
        isAvailable: !after.has(bankIdentifier),
        reason: after.has(bankIdentifier) ? 'LEAN_BANK_DISABLED' : null,
        source: 'sweep',
      },
    })),
  );
  const jobs: SweptPage['jobs'][number][] = [];
  for (const bankIdentifier of turned) {
    if (after.has(bankIdentifier)) continue;
    jobs.push(...(await wakeBankSteps(database, transaction, bankIdentifier)));
  }
  return { ...nothingSwept, found: turned.length, jobs };
}

/** Those that Lean does not serve, whether we pause them or not. */
async function readAway(transaction: TablesTransaction): Promise<ReadonlySet<string>> {
  const banks = await readUnavailableBanks(transaction);
  return new Set(banks.filter((bank) => !bank.isAvailable).map(({ bankIdentifier }) => bankIdentifier));
}
