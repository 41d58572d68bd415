// People, as Lean's lists gave them: the consent giver of an entity (`accountId` = `noAccount`) and whoever holds or
// may act on one of its accounts. Stored only where `SYNC_DATA` names them; never shown by a view.
import type { CanonicalIdentity } from '../core/canonical-people.ts';
import type { Database, Executor } from './database.ts';
import { upsertListed, type ListedRow, type UpsertListed } from './listed-item-store.ts';
import type { StoredCounts } from './stored-counts.ts';

/** One page; the caller holds the entity's lock. */
export async function upsertIdentities(
  database: Database,
  transaction: Executor,
  { items, ...list }: UpsertListed<CanonicalIdentity>,
): Promise<StoredCounts> {
  return upsertListed(database, transaction, { ...list, table: 'identities', rows: items.map(identityRow) });
}

/** An identity as its table has it. */
export function identityRow(identity: CanonicalIdentity): ListedRow {
  return {
    key: identity.partyKey,
    columns: {
      party_id: ['text', identity.partyId],
      party_number: ['text', identity.partyNumber],
      full_name: ['text', identity.fullName],
      name: ['text', identity.name],
      national_id: ['text', identity.nationalId],
      birth_date: ['date', identity.birthDate],
      birth_date_text: ['text', identity.birthDateText],
      gender: ['text', identity.gender],
      gender_text: ['text', identity.genderText],
      email: ['text', identity.email],
      phone: ['text', identity.phone],
      mobile_number: ['text', identity.mobileNumber],
      address: ['jsonb', identity.address],
      account_role: ['text', identity.accountRole],
      party_type: ['text', identity.partyType],
      legal_structure: ['text', identity.legalStructure],
    },
    contentHash: identity.contentHash,
    raw: identity.raw,
    warnings: identity.warnings,
  };
}
