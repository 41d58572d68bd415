// The exact text of Lean's v1 replies: the result in `payload`, one list without pages, amounts with their sign.
// Where only the schema is documented (balance, transactions) the keys follow that.
import type { SimulatedAccount, SimulatedEntity } from './customers.ts';
import { numberLiteral } from './json-text.ts';
import type { SimulatedTransaction } from './transactions.ts';

export interface V1Facts {
  resultsId: string;
  timestamp: string;
}

export function v1IdentityReply({ identity }: SimulatedEntity, facts: V1Facts): string {
  return payloadReply(facts, {
    full_name: identity.fullLegalName,
    mobile_number: identity.mobileNumber,
    gender: identity.gender === null ? null : identity.gender.toLowerCase(),
    national_identity_number: identity.nationalId,
    birth_date: identity.birthDate,
    email_address: identity.email,
    address: identity.address.addressLine,
  });
}

export function v1AccountsReply(entity: SimulatedEntity, facts: V1Facts): string {
  return payloadReply(facts, {
    accounts: entity.accounts.map((account) => ({
      account_id: account.accountId,
      name: v1NameOf(account),
      currency_code: account.currency,
      type: account.subType,
      iban: inFours(account.iban),
      account_number: account.bban,
      bank_identifier: entity.bank.identifier,
      credit: account.subType === 'CREDIT' ? creditOf(account) : null,
    })),
    type: 'accounts',
  });
}

/** The one balance v1 has: what is available now. */
export function v1BalanceReply(account: SimulatedAccount, facts: V1Facts): string {
  const balance = v1BalanceOf(account);
  return payloadReply(facts, {
    balance: numberLiteral(signed(balance)),
    currency_code: balance.currency,
    account_id: account.accountId,
    account_name: v1NameOf(account),
    account_type: account.subType,
    type: 'balance',
  });
}

/** `transactions` default to all of the account; `insights` only where asked. */
export function v1TransactionsReply(
  account: SimulatedAccount,
  facts: V1Facts & { transactions?: readonly SimulatedTransaction[]; insights?: boolean },
): string {
  const { transactions = account.transactions, insights = false } = facts;
  return payloadReply(facts, {
    transactions: transactions.map((transaction) => ({
      id: transaction.transactionId,
      description: transaction.information,
      index: transaction.index,
      pending: transaction.status === 'PENDING',
      timestamp: transaction.bookingDateTime,
      amount: numberLiteral(signed(transaction)),
      currency_code: transaction.currency,
      insights:
        insights && transaction.insightsCategory !== null
          ? {
              description_cleansed: transaction.information,
              category: transaction.insightsCategory,
              category_confidence: numberLiteral('0.97'),
            }
          : null,
      running_balance: null,
      transaction_reference: transaction.reference,
      value_timestamp: transaction.valueDateTime,
      transaction_timestamp: transaction.bookingDateTime,
    })),
    type: 'transactions',
  });
}

/** PENDING, FAILED and the like: an answer without a payload. */
export function v1EmptyReply(
  facts: V1Facts & { status: string; message: string; granularStatusCode?: string },
): string {
  const { status, message, resultsId, timestamp, granularStatusCode } = facts;
  const detail =
    granularStatusCode === undefined
      ? {}
      : {
          status_detail: {
            granular_status_code: granularStatusCode,
            status_additional_info: message,
          },
        };
  return JSON.stringify({ status, results_id: resultsId, message, timestamp, ...detail });
}

/** RECONNECT_REQUIRED: the id to reconnect with is in the payload. */
export function v1ReconnectReply(facts: V1Facts & { reconnectId: string }): string {
  const { resultsId, timestamp, reconnectId } = facts;
  return JSON.stringify({
    status: 'RECONNECT_REQUIRED',
    payload: { reconnect_id: reconnectId, type: 'reconnect' },
    results_id: resultsId,
    message: 'User input is required to reconnect with the bank',
    timestamp,
  });
}

/** The entity of v1: four permissions, no consents. */
export function v1EntityReply(entity: SimulatedEntity): string {
  return JSON.stringify(v1EntityItem(entity));
}

export function v1EntitiesReply(entities: readonly SimulatedEntity[]): string {
  return JSON.stringify(entities.map(v1EntityItem));
}

function v1EntityItem(entity: SimulatedEntity) {
  const names = ['identity', 'accounts', 'balance', 'transactions'];
  return {
    id: entity.entityId,
    customer_id: entity.customerId,
    bank_identifier: entity.bank.identifier,
    permissions: Object.fromEntries(names.map((name) => [name, entity.permissions.includes(name)])),
  };
}

/** The balance v1 tells of an account. */
export function v1BalanceOf({ balances, currency }: SimulatedAccount) {
  const available = balances.find(({ type }) => type === 'INTERIM_AVAILABLE') ?? balances[0];
  return available ?? { amount: '0', creditDebitIndicator: 'CREDIT', currency };
}

export function v1NameOf(account: SimulatedAccount): string {
  return account.nickname ?? `${account.subType} Account`;
}

function payloadReply({ resultsId, timestamp }: V1Facts, payload: object): string {
  return JSON.stringify({
    status: 'OK',
    payload,
    results_id: resultsId,
    message: 'Data successfully retrieved',
    timestamp,
  });
}

/** Credit is positive, debit negative; v1 has no way to say that it does not know. */
function signed({ amount, creditDebitIndicator }: { amount: string; creditDebitIndicator: string }): string {
  return creditDebitIndicator === 'DEBIT' && !/^0(\.0+)?$/.test(amount) ? `-${amount}` : amount;
}

function creditOf({ maskedPan }: SimulatedAccount) {
  return {
    card_number_last_four: maskedPan === null ? null : maskedPan.slice(-4),
    limit: numberLiteral('10000'),
    next_payment_due_date: null,
    next_payment_due_amount: null,
  };
}

/** `SA03 8000 0000 …`, as v1's examples print an IBAN. */
function inFours(iban: string): string {
  return iban.replaceAll(/(.{4})(?=.)/g, '$1 ');
}
