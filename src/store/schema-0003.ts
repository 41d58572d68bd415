// The third schema: people, orders, consents and banks, how far the sweeps have got, what was asked of Lean on request,
// what operators have changed. `@` stands for the quoted schema, as in the first. A former version's worker goes on.

const stamps = `created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()`;

/** What every row of a list has: whose it is, which list had it last, and Lean's text of it. */
const listed = `content_hash text not null,
    refreshed_at timestamptz,
    removed_at timestamptz,
    seen_sync_id text,
    normalizer_version integer not null,
    raw bytea not null,
    warnings text[] not null default '{}',
    ${stamps}`;

const creditor = `creditor_account jsonb,
    creditor_agent jsonb,`;

/** One payment of an order: when, on which day as written, how much. */
function payment(name: string): string {
  return `${name}_at timestamptz,
    ${name}_date date,
    ${name}_amount numeric check (${name}_amount >= 0),
    ${name}_currency text,`;
}

const operators = [
  `create table @.operator_log (
    log_id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    operator text not null,
    command text not null,
    affected integer not null,
    details jsonb not null default '{}',
    ${stamps}
  )`,
  // Goes with its event: by retention when the key is forgotten, by erasure at once.
  `create table @.event_history (
    event_key text not null references @.webhook_events on delete cascade,
    replay_count integer not null,
    state text not null,
    failure_code text,
    tries integer not null,
    concluded_at timestamptz not null,
    log_id bigint not null references @.operator_log,
    ${stamps},
    primary key (event_key, replay_count)
  )`,
  // What operators list and replay: a stretch of time, whatever became of it.
  `create index webhook_events_received on @.webhook_events (received_at, event_key)`,
];

const people = [
  // account_id '' is the consent giver.
  `create table @.identities (
    entity_id text not null,
    account_id text not null,
    party_key text not null,
    customer_id text,
    party_id text,
    party_number text,
    full_name text,
    name text,
    national_id text,
    birth_date date,
    birth_date_text text,
    gender text,
    gender_text text,
    email text,
    phone text,
    mobile_number text,
    address jsonb,
    account_role text,
    party_type text,
    legal_structure text,
    ${listed},
    primary key (entity_id, account_id, party_key)
  )`,
];

const orders = [
  `create table @.beneficiaries (
    entity_id text not null,
    account_id text not null,
    beneficiary_id text not null,
    customer_id text,
    beneficiary_type text,
    account_holder_name text,
    reference text,
    ${creditor}
    ${listed},
    primary key (entity_id, account_id, beneficiary_id)
  )`,
  `create table @.direct_debits (
    entity_id text not null,
    account_id text not null,
    direct_debit_id text not null,
    customer_id text,
    name text,
    status text,
    frequency text,
    mandate_identification text,
    ${payment('previous_payment')}
    ${listed},
    primary key (entity_id, account_id, direct_debit_id)
  )`,
  `create table @.standing_orders (
    entity_id text not null,
    account_id text not null,
    standing_order_id text not null,
    customer_id text,
    status text,
    standing_order_type text,
    purpose text,
    reference text,
    frequency_type text,
    frequency_interval text,
    number_of_payments integer,
    ${payment('first_payment')}
    ${payment('last_payment')}
    ${payment('next_payment')}
    ${payment('final_payment')}
    ${creditor}
    ${listed},
    primary key (entity_id, account_id, standing_order_id)
  )`,
  `create table @.scheduled_payments (
    entity_id text not null,
    account_id text not null,
    scheduled_payment_id text not null,
    customer_id text,
    scheduled_type text,
    debtor_reference text,
    reference text,
    ${payment('scheduled_payment')}
    ${creditor}
    ${listed},
    primary key (entity_id, account_id, scheduled_payment_id)
  )`,
];

const ofCustomers = [
  'identities',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
].map((table) => `create index ${table}_customer on @.${table} (customer_id) where customer_id is not null`);

const consents = [
  // field_orders: which report gave each field its value. raw is of the last whole item; an event alone leaves it empty.
  `create table @.consents (
    consent_id text primary key,
    entity_id text,
    customer_id text,
    bank_consent_id text,
    bank_identifier text,
    consent_type text,
    status text,
    standard_status text,
    created_at_bank timestamptz,
    status_updated_at timestamptz,
    expires_at timestamptz,
    transactions_from timestamptz,
    transactions_to timestamptz,
    permissions text[],
    expiry_told_for timestamptz,
    expiry_told_days integer,
    normalizer_version integer,
    raw bytea,
    warnings text[],
    field_orders jsonb not null default '{}',
    ${stamps}
  )`,
  `create index consents_entity on @.consents (entity_id) where entity_id is not null`,
  `create index consents_customer on @.consents (customer_id) where customer_id is not null`,
  `create index consents_expiring on @.consents (expires_at)
    where expires_at is not null and status in ('ACTIVE', 'AUTHORISED')`,
];

const banks = [
  // As above; a pause is our own doing, after calls that failed for the bank's sake.
  `create table @.banks (
    bank_identifier text primary key,
    name text,
    arabic_name text,
    bank_type text,
    account_type text,
    country text,
    bic text,
    is_mock boolean,
    active_data boolean,
    enabled_data boolean,
    active_payments boolean,
    enabled_payments boolean,
    paused_until timestamptz,
    pause_reason text,
    pauses_in_a_row integer not null default 0,
    normalizer_version integer,
    raw bytea,
    warnings text[],
    field_orders jsonb not null default '{}',
    ${stamps}
  )`,
  `create index banks_paused on @.banks (paused_until) where paused_until is not null`,
];

const sweeps = [
  `create table @.sweep_progress (
    sweep text primary key,
    window_from timestamptz,
    window_to timestamptz,
    page integer not null default 0,
    covered_until timestamptz,
    due_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    calls bigint not null default 0,
    found bigint not null default 0,
    failures_in_a_row integer not null default 0,
    failure_code text,
    revision bigint not null default 0,
    ${stamps}
  )`,
  `create index sweep_progress_due on @.sweep_progress (due_at)`,
];

const requests = [
  `create table @.requests (
    request_id text primary key default gen_random_uuid()::text,
    kind text not null check (kind in ('refresh', 'sync', 'erase', 'entity_removed')),
    entity_id text,
    customer_id text,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed')),
    full_history boolean not null default false,
    refresh_id text,
    due_at timestamptz not null default now(),
    attempts integer not null default 0,
    asked_at timestamptz,
    concluded_at timestamptz,
    failure_code text,
    ${stamps},
    check ((state in ('done', 'failed')) = (concluded_at is not null))
  )`,
  `create unique index requests_one_open on @.requests (kind, entity_id)
    where entity_id is not null and concluded_at is null`,
  `create index requests_due on @.requests (due_at) where concluded_at is null`,
  `create index requests_entity on @.requests (entity_id, kind, asked_at) where entity_id is not null`,
  `create index requests_customer on @.requests (customer_id) where customer_id is not null`,
  `create index requests_concluded on @.requests (concluded_at) where concluded_at is not null`,
];

const entities = [
  // last_refresh_*: the newest terminal refresh heard of, in Lean's time. The other two are by the database's clock.
  `alter table @.entities
    add column last_refresh_ns bigint,
    add column last_refresh_id text,
    add column refresh_heard_at timestamptz,
    add column freshness_asked_at timestamptz,
    add column reconnect_expires_at timestamptz`,
  `create index entities_freshness on @.entities
    ((coalesce(greatest(refresh_heard_at, freshness_asked_at), synced_at, created_at))) where state = 'active'`,
  `create index entities_bank on @.entities (bank_identifier) where bank_identifier is not null`,
];

const syncs = [
  // The former list of kinds was closed; the new one is the worker's to keep.
  `alter table @.sync_steps drop constraint sync_steps_kind_check`,
  `alter table @.sync_steps add constraint sync_steps_kind_check check (kind ~ '^[a-z_]{1,40}$')`,
  `alter table @.sync_steps add column list_from date`,
  `alter table @.sync_runs
    add column identities integer not null default 0,
    add column beneficiaries integer not null default 0,
    add column direct_debits integer not null default 0,
    add column standing_orders integer not null default 0,
    add column scheduled_payments integer not null default 0`,
];

export const schema0003: readonly string[] = [
  ...operators,
  ...people,
  ...orders,
  ...ofCustomers,
  ...consents,
  ...banks,
  ...sweeps,
  ...requests,
  ...entities,
  ...syncs,
];
