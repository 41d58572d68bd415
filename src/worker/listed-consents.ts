// The consents that come whole with their entity, read again or listed: stored where they say something new, and told
// of where that is news. What a webhook has told already is told of no more.
import type { CanonicalConsent } from '../core/canonical-access.ts';
import type { KeyRing } from '../sealing/key-ring.ts';
import { toldWord, type ChangeOrigin } from '../core/change-schemas.ts';
import { appendChanges, type NewChange } from '../store/change-store.ts';
import { readKnownConsents, upsertConsents, type KnownConsent } from '../store/consent-store.ts';
import type { Database, TablesTransaction } from '../store/database.ts';
import type { FactOrder } from '../store/entity-store.ts';
import { isConsentActive } from './listed-entity.ts';

export interface ListedConsents {
  readonly entityId: string;
  readonly customerId: string | null;
  readonly consents: readonly CanonicalConsent[];
  /** When Lean said so. */
  readonly order: FactOrder;
  readonly keyRing: KeyRing | null;
  readonly eventKey?: string | null;
  /** For the changes, beside what they say themselves. */
  readonly origin: ChangeOrigin;
}

/** Gives how many of them have changed and nobody had told so. The caller holds the entity's lock. */
export async function storeListedConsents(
  database: Database,
  transaction: TablesTransaction,
  { entityId, customerId, consents, order, keyRing, eventKey = null, origin }: ListedConsents,
): Promise<number> {
  const ids = consents.map(({ consentId }) => consentId);
  const before = await readKnownConsents(transaction, ids);
  const fresh = consents.filter((consent) => saysMore(consent, before.get(consent.consentId)));
  if (fresh.length === 0) return 0;
  const report = { entityId, customerId, consents: fresh, order, source: 'item', keyRing } as const;
  await upsertConsents(database, transaction, report);
  // One that is listed for the first time is no news, whatever its status.
  const told = fresh.map(({ consentId }) => consentId).filter((id) => before.get(id)?.status != null);
  const after = await readKnownConsents(transaction, told);
  const changes = fresh.flatMap(({ consentId, consentType }): NewChange[] => {
    const status = after.get(consentId)?.status ?? null;
    if (!isNews(before.get(consentId)?.status ?? null, status)) return [];
    const words = { status: toldWord(status), consentType: toldWord(consentType) };
    const details = { ...origin, consentId, ...words };
    return [{ change: 'consent.updated', entityId, customerId, eventKey, details }];
  });
  await appendChanges(transaction, changes);
  return changes.length;
}

function saysMore(
  { status, statusUpdatedAt, expiresAt }: CanonicalConsent,
  known: KnownConsent | undefined,
): boolean {
  if (known?.isWhole !== true || (status !== null && status !== known.status)) return true;
  return isOther(statusUpdatedAt, known.statusUpdatedAt) || isOther(expiresAt, known.expiresAt);
}

function isOther(said: { readonly at: string } | null, known: Date | null): boolean {
  return said !== null && Date.parse(said.at) !== known?.getTime();
}

/** A consent that is listed for the first time came with its entity. */
function isNews(before: string | null, after: string | null): boolean {
  if (before === null || before === after) return false;
  return !(isConsentActive({ status: before }) && isConsentActive({ status: after }));
}
