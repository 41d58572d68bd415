// The fifth schema: what an application may ask for, as functions that it may call without any right to the tables.
// `@.` stands for the quoted schema, as in the first, and `@'schema'` for its name as a text. A former version's worker goes on.

/** What is fixed of every function: nothing that a caller has made is found by a name in it. */
const safely = 'set search_path = pg_catalog, pg_temp';

/** As Lean's ids are bounded on their way into a URL. */
const idLimit = 200;

const locks = [
  // All at once and before anything is built, so that no worker holds one of them and waits for another. First of all the
  // feed's state: a publisher that waits for it has nothing yet that the others ask for.
  `lock table @.change_feed_state, @.requests in access exclusive mode`,
  `lock table @.entities, @.sync_runs, @.pending_results, @.changes in share mode`,
];

const feed = [
  `alter table @.change_feed_state add column forgotten_up_to bigint not null default 0`,
  // What a former version's worker deletes is known by the lowest that is left.
  `create view @.change_feed_bounds as select
      greatest(forgotten_up_to, coalesce(
        (select min(position) - 1 from @.changes where position is not null), last_position
      )) as forgotten_up_to, last_position
    from @.change_feed_state`,
];

const requests = [
  // Nobody has acted on these kinds before: of several wishes for one customer, or one for nobody, nothing was promised.
  `update @.requests as request set state = 'failed', failure_code = 'REQUEST_INVALID', concluded_at = now(),
      customer_id = null, updated_at = now()
    where kind = 'erase' and concluded_at is null and (customer_id is null or exists (
      select from @.requests as other
      where other.kind = 'erase' and other.concluded_at is null and other.customer_id = request.customer_id
        and (other.created_at, other.request_id) < (request.created_at, request.request_id)
    ))`,
  `create unique index requests_one_erase on @.requests (customer_id)
    where kind = 'erase' and customer_id is not null and concluded_at is null`,
  `create index requests_open on @.requests (kind, due_at, request_id) where concluded_at is null`,
  // Nobody could ever take up what names nobody: no row of the kind can be written from now on.
  `update @.requests set state = 'failed', failure_code = 'REQUEST_INVALID', concluded_at = now(), updated_at = now()
    where kind <> 'erase' and entity_id is null and concluded_at is null`,
  `alter table @.requests add constraint requests_name_somebody check (
    concluded_at is not null or case kind when 'erase' then customer_id else entity_id end is not null
  )`,
  // Of a refresh: "attempts" also counts how often it was put off without asking Lean, which is no reason to give up.
  `alter table @.requests add column calls integer not null default 0, add column first_asked_at timestamptz`,
];

const asking = [
  // What all four do. Joins what is open already, and wakes the workers when the caller's transaction commits.
  `create function @.ask_for(
      asked_kind text, asked_id text, with_history boolean, out asked_request text, out is_new boolean
    ) language plpgsql volatile ${safely} as $function$
    begin
      -- Nobody's id begins or ends with a blank: taken as it is, it would name nobody and be done.
      if asked_id is null or length(asked_id) not between 1 and ${idLimit}
          or asked_id <> btrim(asked_id, E' \\t\\r\\n') then
        raise exception '% must be a text of 1 to ${idLimit} characters',
            case asked_kind when 'erase' then 'customer_id' else 'entity_id' end
          using errcode = 'invalid_parameter_value', hint = 'with no blank at either end';
      end if;
      if asked_kind = 'erase' then
        -- It covers what there is at this moment; whoever is at it already begins anew for what has come since.
        insert into @.requests as request (kind, customer_id, created_at)
        values (asked_kind, asked_id, clock_timestamp())
        on conflict (customer_id) where kind = 'erase' and customer_id is not null and concluded_at is null
          do update set created_at = greatest(request.created_at, clock_timestamp()), updated_at = now()
        returning request.request_id, request.xmax = 0 into asked_request, is_new;
      else
        -- Of this moment, and not of the transaction's begin: a connection told of meanwhile is older than a removal.
        insert into @.requests as request (kind, entity_id, customer_id, full_history, created_at)
        values (asked_kind, asked_id, (
          select entity.customer_id from @.entities as entity where entity.entity_id = asked_id
        ), coalesce(with_history, false), clock_timestamp())
        on conflict (kind, entity_id) where entity_id is not null and concluded_at is null
          do update set full_history = request.full_history or excluded.full_history, updated_at = now(),
            created_at = case asked_kind when 'entity_removed' then clock_timestamp() else request.created_at end
        returning request.request_id, request.xmax = 0 into asked_request, is_new;
      end if;
      perform pg_notify('lean_requests', @'schema');
    end
    $function$`,
  `revoke all on function @.ask_for(text, text, boolean) from public`,
  ...askingFunction('request_refresh', { id: 'entity_id', kind: 'refresh' }),
  ...askingFunction('request_sync', { id: 'entity_id', kind: 'sync', more: 'full_history boolean' }),
  ...askingFunction('request_erase', { id: 'customer_id', kind: 'erase' }),
  ...askingFunction('entity_removed', { id: 'entity_id', kind: 'entity_removed' }),
];

interface AskingFunction {
  readonly id: string;
  readonly kind: string;
  /** A second parameter, whether the whole history is read; false when left out. */
  readonly more?: string;
}

function askingFunction(name: string, { id, kind, more }: AskingFunction): readonly string[] {
  const isOne = more === undefined;
  return [
    `create function @.${name}(${id} text${isOne ? '' : `, ${more} default false`}) returns text
    language sql volatile security definer ${safely} as $function$
      select asked.asked_request from @.ask_for('${kind}', $1, ${isOne ? 'false' : '$2'}) as asked
    $function$`,
    `revoke all on function @.${name}(${isOne ? 'text' : 'text, boolean'}) from public`,
  ];
}

/** `npm run ops` asks by the same functions: whoever could write its rows so far may go on. */
const former = [
  `do $grants$
    declare former_role text;
    begin
      for former_role in
        select distinct entry.grantee::regrole::text
        from pg_class as held cross join lateral aclexplode(held.relacl) as entry
        where held.oid = to_regclass('@.requests') and entry.privilege_type = 'INSERT'
          and entry.grantee not in (0, held.relowner)
      loop
        execute 'grant execute on function @.ask_for(text, text, boolean) to ' || former_role;
      end loop;
    end
    $grants$`,
];

const watching = [
  // What the status page counts by: the syncs that ended lately, and which of them failed.
  `create index sync_runs_finished on @.sync_runs (finished_at) where finished_at is not null`,
  `create index sync_runs_failed on @.sync_runs (finished_at) where state = 'failed'`,
  // What the gauges of every worker look up: who must act, and whose last sync is the oldest.
  `create index entities_action_required on @.entities (entity_id) where state = 'action_required'`,
  `create index entities_synced on @.entities ((coalesce(synced_at, created_at))) where state = 'active'`,
];

/** For an application that acts itself on what is announced with `event.recorded`: the body as it is stored, sealed. */
const eventBody = [
  `create index changes_recorded on @.changes (event_key) where change = 'event.recorded'`,
  // Nobody may call it until an operator says who. Events that the service acts on are `processed`, never `ignored`.
  `create function @.event_body(event_key text) returns bytea
    language sql stable security definer ${safely} as $function$
      select event.body from @.webhook_events as event
      where event.event_key = $1 and event.state = 'ignored' and event.failure_code is null
        and exists (
          select from @.changes as told where told.event_key = $1 and told.change = 'event.recorded'
        )
    $function$`,
  `revoke all on function @.event_body(text) from public`,
];

const syncs = [
  // By which a sync that ends finds what it was still waiting for.
  `create index pending_results_sync on @.pending_results (sync_id) where resolved_at is null`,
];

/**
 * Of open rows there are none at most times, or a hundred thousand at once; by statistics from before, Postgres takes an
 * index of what is open for empty and goes through all of it for every single row. Left to itself it looks again only when
 * a tenth of the table has changed, which of ten million rows is long after. Waits for no worker.
 */
const statistics = ['webhook_events', 'changes', 'sync_steps'].map(
  (table) => `alter table @.${table}
    set (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000)`,
);

export const schema0005: readonly string[] = [
  ...locks,
  ...feed,
  ...requests,
  ...asking,
  ...former,
  ...watching,
  ...eventBody,
  ...syncs,
  ...statistics,
];
