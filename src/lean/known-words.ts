// The words Lean documents for its enumerated members, so that the ones it does not are noticed. Never to change or
// refuse one: an unknown word is kept as it is.

const frequencies = 'MONTHLY QUARTERLY HALF_YEARLY ANNUAL FORTNIGHTLY DAILY WEEKLY NOT_KNOWN UNSUPPORTED';
const standardConsents = 'AWAITING_AUTHORISATION AUTHORISED REVOKED REJECTED EXPIRED CONSUMED SUSPENDED';

/** From Lean's OpenAPI files, spellings of older ones included; `balance` is the only balance type of v1. */
export const knownWords = {
  accountStatus: words('ENABLED DISABLED PENDING PROFORMA DELETED UNSUPPORTED'),
  accountType: words('PERSONAL BUSINESS UNSUPPORTED'),
  accountSubType: words(
    'CHARGE_CARD CREDIT CURRENT EMONEY LOAN MORTGAGE PERSONAL_LOAN PREPAID SAVINGS CALL UNSUPPORTED',
  ),
  accountScheme: words(
    'PAN MASKED_PAN IBAN BBAN ACCOUNT_NUMBER COMMERCIAL_REGISTRATION_NUMBER EMAIL MOBILE_NUMBER',
    'NATIONAL_ID IQAMA_NUMBER PASSPORT_NUMBER OTHER UNSUPPORTED',
  ),
  agentScheme: words('BICFI OTHER UNSUPPORTED'),
  balanceType: words(
    'CLOSING_AVAILABLE CLOSING_BOOKED CLOSING_CLEARED INTERIM_AVAILABLE INTERIM_BOOKED INTERIM_CLEARED',
    'OPENING_AVAILABLE OPENING_BOOKED OPENING_CLEARED EXPECTED FORWARD_AVAILABLE INFORMATION',
    'PREVIOUSLY_CLOSED_BOOKED PREVIOUSLY_CLOSED UNSUPPORTED balance',
  ),
  creditLineType: words('AVAILABLE CREDIT EMERGENCY PRE_AGREED PRE-AGREED TEMPORARY UNSUPPORTED'),
  transactionStatus: words('BOOKED PENDING REJECTED UNSUPPORTED'),
  mutability: words('IMMUTABLE MUTABLE UNSUPPORTED'),
  transactionType: words(
    'POS E_COMMERCE ATM BILL_PAYMENTS LOCAL_BANK_TRANSFER SAME_BANK_TRANSFER INTERNATIONAL_TRANSFER TELLER',
    'CHEQUE OTHER UNSUPPORTED',
  ),
  category: words(
    'BANK_FEES_AND_CHARGES CHARITY EDUCATION ENTERTAINMENT GOVERNMENT GROCERIES HEALTH_AND_WELLBEING',
    'LOANS_AND_INVESTMENT RENT_AND_SERVICES RESTAURANTS_DINING RETAIL SALARY_AND_REVENUE TRANSFER TRANSPORT',
    'TRAVEL OTHER',
  ),
  partyType: words('DELEGATE JOINT SOLE UNSUPPORTED'),
  beneficiaryType: words('TRUSTED ORDINARY OTHER UNSUPPORTED'),
  orderStatus: words('ACTIVE INACTIVE UNSUPPORTED'),
  directDebitFrequency: words(frequencies),
  frequencyType: words(frequencies, 'YEARLY OTHER'),
  scheduledType: words('ARRIVAL EXECUTION UNSUPPORTED'),
  consentType: words('ACCOUNT_ACCESS MULTI_PAYMENTS'),
  /** Events write a standard word where replies write one of the first three. */
  consentStatus: words('ACTIVE REVOKED REJECTED', standardConsents),
  standardConsentStatus: words(standardConsents),
  bankType: words('RETAIL SME'),
  bankAccountType: words('PERSONAL BUSINESS'),
} as const satisfies Readonly<Record<string, ReadonlySet<string>>>;

export type EnumeratedMember = keyof typeof knownWords;

function words(...lists: readonly string[]): ReadonlySet<string> {
  return new Set(lists.flatMap((list) => list.split(' ')));
}
