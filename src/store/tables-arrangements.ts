// The tables of people and of what they have arranged with the bank, of consents and of banks, as kysely sees them.
import type { ColumnType, Generated } from 'kysely';
import type { Decimal, OptionalInstant, OptionalJson, Stamped } from './table-columns.ts';

/** What every row of a list has. */
interface Listed extends Stamped {
  entity_id: string;
  account_id: string;
  customer_id: string | null;
  content_hash: string;
  refreshed_at: OptionalInstant;
  removed_at: OptionalInstant;
  /** The sync whose list had it last. */
  seen_sync_id: string | null;
  normalizer_version: number;
  raw: Uint8Array;
  warnings: string[];
}

/** `account_id` '' is the consent giver. */
export interface IdentitiesTable extends Listed {
  party_key: string;
  party_id: string | null;
  party_number: string | null;
  full_name: string | null;
  name: string | null;
  national_id: string | null;
  birth_date: string | null;
  birth_date_text: string | null;
  gender: string | null;
  gender_text: string | null;
  email: string | null;
  phone: string | null;
  mobile_number: string | null;
  address: OptionalJson;
  account_role: string | null;
  party_type: string | null;
  legal_structure: string | null;
}

interface WithCreditor extends Listed {
  creditor_account: OptionalJson;
  creditor_agent: OptionalJson;
}

export interface BeneficiariesTable extends WithCreditor {
  beneficiary_id: string;
  beneficiary_type: string | null;
  account_holder_name: string | null;
  reference: string | null;
}

/** One payment of an order: when, on which day as written, how much. */
type Payment<Name extends string> = Record<`${Name}_at`, OptionalInstant> &
  Record<`${Name}_date`, string | null> &
  Record<`${Name}_amount`, Decimal | null> &
  Record<`${Name}_currency`, string | null>;

export interface DirectDebitsTable extends Listed, Payment<'previous_payment'> {
  direct_debit_id: string;
  name: string | null;
  status: string | null;
  frequency: string | null;
  mandate_identification: string | null;
}

export interface StandingOrdersTable
  extends
    WithCreditor,
    Payment<'first_payment'>,
    Payment<'last_payment'>,
    Payment<'next_payment'>,
    Payment<'final_payment'> {
  standing_order_id: string;
  status: string | null;
  standing_order_type: string | null;
  purpose: string | null;
  reference: string | null;
  frequency_type: string | null;
  frequency_interval: string | null;
  number_of_payments: number | null;
}

export interface ScheduledPaymentsTable extends WithCreditor, Payment<'scheduled_payment'> {
  scheduled_payment_id: string;
  scheduled_type: string | null;
  debtor_reference: string | null;
  reference: string | null;
}

export interface ConsentsTable extends Stamped {
  consent_id: string;
  entity_id: string | null;
  customer_id: string | null;
  bank_consent_id: string | null;
  bank_identifier: string | null;
  consent_type: string | null;
  status: string | null;
  standard_status: string | null;
  created_at_bank: OptionalInstant;
  status_updated_at: OptionalInstant;
  expires_at: OptionalInstant;
  transactions_from: OptionalInstant;
  transactions_to: OptionalInstant;
  permissions: string[] | null;
  /** The `expires_at` that the last notice was about, and how many days ahead it spoke of. */
  expiry_told_for: OptionalInstant;
  expiry_told_days: number | null;
  /** Of the last whole item; an event alone gives none. */
  normalizer_version: number | null;
  raw: Uint8Array | null;
  warnings: string[] | null;
  /** Which report gave each field its value; written by `fact-rows.ts` alone. */
  field_orders: ColumnType<unknown, string | undefined, string>;
}

export interface BanksTable extends Stamped {
  bank_identifier: string;
  name: string | null;
  arabic_name: string | null;
  bank_type: string | null;
  account_type: string | null;
  country: string | null;
  bic: string | null;
  is_mock: boolean | null;
  active_data: boolean | null;
  enabled_data: boolean | null;
  active_payments: boolean | null;
  enabled_payments: boolean | null;
  /** Our own pause, after calls that failed for the bank's sake. */
  paused_until: OptionalInstant;
  pause_reason: string | null;
  pauses_in_a_row: Generated<number>;
  normalizer_version: number | null;
  raw: Uint8Array | null;
  warnings: string[] | null;
  field_orders: ColumnType<unknown, string | undefined, string>;
}
