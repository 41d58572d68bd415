// The enumerated words of Lean's documentation, and the places where a capture says too little to compare with.

const indicators = ['CREDIT', 'DEBIT', 'UNSUPPORTED'];
const frequencies =
  'MONTHLY QUARTERLY HALF_YEARLY ANNUAL FORTNIGHTLY DAILY WEEKLY NOT_KNOWN UNSUPPORTED'.split(' ');
const schemes =
  'PAN IBAN BBAN COMMERCIAL_REGISTRATION_NUMBER EMAIL MOBILE_NUMBER NATIONAL_ID OTHER BICFI'.split(' ');
const dataWords = ['PENDING', 'OK', 'FAILED', 'UNSUPPORTED'];
const permissions =
  'identity accounts balance transactions identities scheduled_payments standing_orders direct_debits beneficiaries';
/** By the ending of the place they stand in. */
export const documentedWords: Readonly<Record<string, readonly string[]>> = {
  status: ['OK', 'PENDING', 'FAILED', 'CONSENT_EXPIRED', 'RECONNECT_REQUIRED', 'PROCESSING_STARTED'],
  'accounts[].status': ['ENABLED', 'DISABLED', 'PENDING', 'PROFORMA', 'DELETED', 'UNSUPPORTED'],
  account_type: ['PERSONAL', 'BUSINESS', 'UNSUPPORTED'],
  account_sub_type: 'CHARGE_CARD CREDIT CURRENT EMONEY LOAN MORTGAGE PREPAID SAVINGS CALL'.split(' '),
  bank_type: ['RETAIL', 'SME'],
  scheme_name: [...schemes, 'ACCOUNT_NUMBER'],
  credit_debit_indicator: indicators,
  'balances[].type': [
    ...['CLOSING', 'INTERIM', 'OPENING'].flatMap((when) =>
      ['AVAILABLE', 'BOOKED', 'CLEARED'].map((what) => `${when}_${what}`),
    ),
    'EXPECTED',
    'FORWARD_AVAILABLE',
    'INFORMATION',
    'PREVIOUSLY_CLOSED_BOOKED',
    'UNSUPPORTED',
  ],
  'credit_line[].type': ['AVAILABLE', 'CREDIT', 'EMERGENCY', 'PRE_AGREED', 'TEMPORARY', 'UNSUPPORTED'],
  'transactions[].status': ['BOOKED', 'PENDING', 'REJECTED', 'UNSUPPORTED'],
  transaction_mutability: ['IMMUTABLE', 'MUTABLE', 'UNSUPPORTED'],
  transaction_type:
    'POS E_COMMERCE ATM BILL_PAYMENTS LOCAL_BANK_TRANSFER SAME_BANK_TRANSFER INTERNATIONAL_TRANSFER OTHER'.split(
      ' ',
    ),
  sub_transaction_type: 'PURCHASE REVERSAL REFUND WITHDRAWAL DEPOSIT MONEY_TRANSFER FEE'.split(' '),
  'insights.category':
    'GROCERIES TRANSPORT RESTAURANTS_DINING SALARY_AND_REVENUE RETAIL TRANSFER TRAVEL OTHER'.split(' '),
  party_type: ['DELEGATE', 'JOINT', 'SOLE', 'UNSUPPORTED'],
  gender: ['F', '', 'MALE', 'FEMALE', 'male', 'female', 'f'],
  beneficiary_type: ['TRUSTED', 'ORDINARY', 'OTHER', 'UNSUPPORTED'],
  status_code: ['ACTIVE', 'INACTIVE', 'UNSUPPORTED'],
  frequency: frequencies,
  frequency_type: [...frequencies, 'YEARLY', 'OTHER'],
  standing_order_status_code: ['ACTIVE', 'INACTIVE', 'UNSUPPORTED'],
  scheduled_type: ['ARRIVAL', 'EXECUTION', 'UNSUPPORTED'],
  consent_status: ['ACTIVE', 'REVOKED', 'REJECTED'],
  'data[].status': ['ACTIVE', 'DELETED', 'DISABLED', 'REMOVED'],
  'content[].status': ['PENDING', 'FINISHED'],
  granular_status_code: ['BANK_ISSUE'],
  ...Object.fromEntries(
    ['accounts', 'identity', 'account_data[]'].map((at) => [`data_status.${at}`, dataWords]),
  ),
  'account_data[].balance': dataWords,
  'account_data[].identity': dataWords,
  'account_data[].beneficiaries': dataWords,
  'payload.permissions[]': permissions.split(' '),
};

/** Null or free-form in some captures and filled in others, and what a reply may leave out. */
export const notCompared =
  /insights|postal_address\.|metadata|card_instrument|currency_exchange|transactions\[\]\.(creditor|debtor)_|statement_reference|maturity|transfer_limits|international_destinations|standing_orders\[\]\.creditor_account\.|payload\.accounts\[\]\.(account_number|credit)|payload\.type/;
