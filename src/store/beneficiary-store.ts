// Beneficiaries of an account, as Lean's lists gave them.
import type { CanonicalBeneficiary } from '../core/canonical-orders.ts';
import type { Database, Executor } from './database.ts';
import { upsertListed, type ListedRow, type UpsertListed } from './listed-item-store.ts';
import type { StoredCounts } from './stored-counts.ts';

/** One page; the caller holds the entity's lock. */
export async function upsertBeneficiaries(
  database: Database,
  transaction: Executor,
  { items, ...list }: UpsertListed<CanonicalBeneficiary>,
): Promise<StoredCounts> {
  const rows = items.map(beneficiaryRow);
  return upsertListed(database, transaction, { ...list, table: 'beneficiaries', rows });
}

/** A beneficiary as its table has it. */
export function beneficiaryRow(beneficiary: CanonicalBeneficiary): ListedRow {
  return {
    key: beneficiary.beneficiaryId,
    columns: {
      beneficiary_type: ['text', beneficiary.beneficiaryType],
      account_holder_name: ['text', beneficiary.accountHolderName],
      reference: ['text', beneficiary.reference],
      creditor_account: ['jsonb', beneficiary.creditorAccount],
      creditor_agent: ['jsonb', beneficiary.creditorAgent],
    },
    contentHash: beneficiary.contentHash,
    raw: beneficiary.raw,
    warnings: beneficiary.warnings,
  };
}
