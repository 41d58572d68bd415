// The second schema: what retention and erasure find their rows by, who was erased, and which keys have sealed.
// `@` stands for the quoted schema, as in the first.

const stamps = `created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()`;

const events = [
  `alter table @.webhook_events add column warnings text[] not null default '{}'`,
  `create index webhook_events_bodies on @.webhook_events (state, concluded_at)
    where body is not null and concluded_at is not null`,
  `create index webhook_events_emptied on @.webhook_events (concluded_at)
    where body is null and concluded_at is not null`,
  `create index webhook_events_customer on @.webhook_events (customer_id) where customer_id is not null`,
];

const retention = [
  `create index intake_batches_stored on @.intake_batches (stored_at)`,
  `create index sync_steps_ended on @.sync_steps (updated_at) where state in ('done', 'failed', 'dropped')`,
  `create index pending_results_resolved on @.pending_results (resolved_at) where resolved_at is not null`,
];

const erasure = [
  // Two random UUIDs: 244 random bits that nobody outside this database knows.
  `alter table @.installation add column erasure_key bytea not null
    default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')`,
  `create table @.erasures (
    subject_hmac text primary key,
    kind text not null check (kind in ('customer', 'entity', 'results')),
    erased_at timestamptz not null,
    lifted_at timestamptz,
    ${stamps}
  )`,
  `create index changes_entity on @.changes (entity_id) where entity_id is not null`,
  `create index changes_customer on @.changes (customer_id) where customer_id is not null`,
  `create index sync_runs_customer on @.sync_runs (customer_id) where customer_id is not null`,
  `create index pending_results_entity on @.pending_results (entity_id) where entity_id is not null`,
  `create index pending_results_customer on @.pending_results (customer_id) where customer_id is not null`,
];

const sealing = [
  `create table @.payload_keys (
    key_id text primary key,
    ${stamps}
  )`,
];

export const schema0002: readonly string[] = [...events, ...retention, ...erasure, ...sealing];
