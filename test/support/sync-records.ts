// Canonical records for tests, plain ones unless told otherwise. All people and numbers are invented.
import { createHash } from 'node:crypto';
import type { CanonicalAccount, CanonicalBalance, CanonicalTransaction } from '../../src/core/canonical.ts';
import { parseInstant, type Instant } from '../../src/core/instant.ts';

export const entityId = 'entity-1';
export const customerId = 'customer-1';

export function instant(text: string): Instant {
  const read = parseInstant(text);
  if (read === null) throw new Error(`${text} is no instant`);
  return read;
}

export function account(accountId: string, facts: Partial<CanonicalAccount> = {}): CanonicalAccount {
  return {
    accountId,
    status: 'ENABLED',
    currency: 'AED',
    accountType: 'PERSONAL',
    accountSubType: 'CURRENT',
    nickname: 'Main',
    description: null,
    accountHolderName: 'Sara Ali',
    openingDate: '2024-02-05',
    iban: null,
    identifiers: [{ scheme_name: 'IBAN', identification: 'AE07', name: null }],
    servicer: { scheme_name: 'BICFI', identification: 'LEANAE01', bic: 'LEANAE01' },
    raw: `{"account_id":"${accountId}"}`,
    warnings: [],
    ...facts,
  };
}

export function balance(facts: Partial<CanonicalBalance> = {}): CanonicalBalance {
  return {
    balanceType: 'INTERIM_AVAILABLE',
    currency: 'AED',
    amount: '10.50',
    creditDebitIndicator: 'CREDIT',
    reportedAt: instant('2026-05-10T08:00:00Z'),
    reportedAtSource: 'date_time',
    creditLines: [],
    raw: '{"type":"INTERIM_AVAILABLE"}',
    warnings: [],
    ...facts,
  };
}

export function transaction(
  transactionId: string,
  facts: Partial<CanonicalTransaction> = {},
): CanonicalTransaction {
  const bookingDate = facts.bookingDate ?? '2026-05-01';
  const content = {
    amount: '12.34',
    currency: 'AED',
    creditDebitIndicator: 'DEBIT' as const,
    amountMinor: '1234',
    status: 'BOOKED',
    mutability: 'IMMUTABLE',
    bookedAt: instant(`${bookingDate}T00:00:00Z`),
    bookedAtText: `${bookingDate}T00:00:00Z`,
    bookedAtPrecision: 'date' as const,
    bookingDate,
    valueAt: null,
    description: 'Groceries',
    reference: null,
    transactionType: 'POS',
    merchantName: null,
    merchantCategoryCode: null,
    counterparty: null,
    category: null,
    ...facts,
  };
  return {
    idSource: 'lean',
    contentHash: createHash('sha256')
      .update(
        JSON.stringify(content, (_key, value: unknown) =>
          typeof value === 'bigint' ? String(value) : value,
        ),
      )
      .digest('hex'),
    raw: `{"transaction_id":"${transactionId}"}`,
    warnings: [],
    ...content,
    transactionId,
  };
}
