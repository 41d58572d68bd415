// The items inside Lean's v2 replies: keys and their order as in the captures, numbers as literals.
import { consentsOf, type SimulatedConsent } from './consents.ts';
import {
  permissionsOf,
  type SimulatedAccount,
  type SimulatedBalance,
  type SimulatedEntity,
  type SimulatedRefresh,
} from './customers.ts';
import { numberLiteral } from './json-text.ts';
import type { SimulatedTransaction } from './transactions.ts';

export interface AccountOfEntity {
  entity: SimulatedEntity;
  account: SimulatedAccount;
}

export function accountItem(entity: SimulatedEntity, account: SimulatedAccount) {
  const name = `${account.holderName} ${account.subType} Account`;
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    account_holder_name: account.holderName,
    account_holder_short_name: account.holderName,
    status: 'ENABLED',
    status_update_date_time: `${account.openingDate}T08:33:49.386Z`,
    currency: account.currency,
    account_type: 'PERSONAL',
    account_sub_type: account.subType,
    nickname: account.nickname,
    description: name,
    opening_date: account.openingDate,
    maturity_date: null,
    account: [
      { scheme_name: 'IBAN', identification: account.iban, name },
      ...(account.maskedPan === null
        ? []
        : [{ scheme_name: 'PAN', identification: account.maskedPan, name: null }]),
      { scheme_name: 'BBAN', identification: account.bban, name },
    ],
    servicer: {
      scheme_name: account.servicer.schemeName,
      identification: account.servicer.identification,
    },
    regional_data: null,
  };
}

export function balanceItem({ entity, account }: AccountOfEntity, balance: SimulatedBalance) {
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    credit_debit_indicator: balance.creditDebitIndicator,
    type: balance.type,
    amount: money(balance),
    date_time: balance.dateTime,
    credit_line: balance.creditLines.map((line) => ({
      included: line.included,
      amount: money(line),
      type: line.type,
    })),
    regional_data: null,
  };
}

export function transactionItem({ entity, account }: AccountOfEntity, transaction: SimulatedTransaction) {
  const { counterparty, exchangeRate } = transaction;
  const credit = transaction.creditDebitIndicator === 'CREDIT';
  const ours = { name: account.holderName, scheme_name: 'IBAN', identification: account.iban };
  const ourAgent = {
    scheme_name: null,
    identification: account.servicer.identification,
    name: null,
    postal_address: null,
  };
  const theirs = counterparty && {
    name: counterparty.name,
    scheme_name: 'IBAN',
    identification: counterparty.iban,
  };
  const theirAgent = counterparty && {
    scheme_name: 'BICFI',
    identification: counterparty.agent,
    name: null,
    postal_address: null,
  };
  return {
    entity_id: entity.entityId,
    account_id: account.accountId,
    transaction_id: transaction.transactionId,
    transaction_information: transaction.information,
    transaction_reference: transaction.reference,
    credit_debit_indicator: transaction.creditDebitIndicator,
    amount: money(transaction),
    transaction_mutability: transaction.mutability,
    booking_date_time: transaction.bookingDateTime,
    insights:
      transaction.insightsCategory === null
        ? null
        : {
            description_cleansed: transaction.information,
            category: transaction.insightsCategory,
            category_confidence: numberLiteral('0.9700000000'),
          },
    balance: {
      type: 'PREVIOUSLY_CLOSED_BOOKED',
      credit_debit_indicator: transaction.creditDebitIndicator,
      amount: money(transaction),
    },
    status: transaction.status,
    statement_reference: transaction.reference === null ? [] : [transaction.reference],
    value_date_time: transaction.valueDateTime,
    index: transaction.index,
    charge_amount: { amount: numberLiteral('0.69'), currency: transaction.currency, charge_included: false },
    bank_transaction_code: { code: 'Received Credit Transfers', sub_code: 'ACH Credit' },
    card_instrument: null,
    merchant_details: transaction.merchant && {
      merchant_category_code: transaction.merchant.categoryCode,
      merchant_name: transaction.merchant.name,
    },
    proprietary_bank_transaction_code: { code: 'TEST', issuer: entity.bank.identifier },
    currency_exchange:
      exchangeRate === null
        ? null
        : {
            source_currency: transaction.currency,
            target_currency: 'USD',
            unit_currency: transaction.currency,
            exchange_rate: numberLiteral(exchangeRate),
            contract_identification: 'TEST',
            quotation_date: transaction.bookingDateTime,
            instructed_amount: money(transaction),
          },
    creditor_account: theirs && (credit ? ours : theirs),
    creditor_agent: theirs && (credit ? ourAgent : theirAgent),
    debtor_account: theirs && (credit ? theirs : ours),
    debtor_agent: theirs && (credit ? theirAgent : ourAgent),
    local_time_zone: transaction.localTimeZone,
    transaction_type: transaction.transactionType,
    sub_transaction_type: transaction.subTransactionType,
    payment_modes: null,
    flags: [],
    regional_data: null,
  };
}

export function entityItem(entity: SimulatedEntity) {
  return {
    id: entity.entityId,
    customer_id: entity.customerId,
    bank_identifier: entity.bank.identifier,
    permissions: permissionsMap(entity.permissions),
    bank_type: entity.bank.bankType,
    created_at: entity.createdAt,
    consents: consentsOf(entity).map((consent) => consentItem(entity, consent)),
  };
}

export function consentItem(entity: SimulatedEntity, consent: SimulatedConsent) {
  return {
    id: consent.consentId,
    bank_consent_id: consent.bankConsentId,
    bank_identifier: null,
    consent_type: null,
    consent_status: consent.status,
    standard_consent_status: null,
    permissions: permissionsMap(consent.permissions),
    creation_date_time: consent.createdAt,
    status_update_date_time: consent.statusUpdatedAt,
    expiration_date_time: consent.expiresAt,
    transaction_from_date_time: consent.transactionsFrom,
    transaction_to_date_time: consent.transactionsTo,
    accounts: entity.accounts.map((account) => ({
      scheme_name: 'IBAN',
      identification: account.iban,
      name: account.holderName,
      secondary_identification: null,
    })),
  };
}

function permissionsMap(permissions: readonly string[]): Record<string, boolean> {
  return Object.fromEntries(permissionsOf.sa.map((name) => [name, permissions.includes(name)]));
}

export function refreshItem(entity: SimulatedEntity, refresh: SimulatedRefresh) {
  return {
    refresh_id: refresh.refreshId,
    entity_id: entity.entityId,
    customer_id: entity.customerId,
    status: refresh.status,
    created_at: refresh.createdAt,
    updated_at: refresh.updatedAt,
  };
}

/** `{currency, amount}` with the amount spelled as given. */
export function money({ currency, amount }: { currency: string; amount: string }) {
  return { currency, amount: numberLiteral(amount) };
}
