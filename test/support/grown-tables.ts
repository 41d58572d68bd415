// Fills a migrated schema with the rows that a large installation has, in a few statements, past the service: for plans
// and times at a size that the service itself would take hours to reach. Never in a schema whose rows mean anything.
import { sql, type RawBuilder } from 'kysely';
import type { Database, Executor } from '../../src/store/database.ts';

/** Of one account; everything else follows from it. */
export const transactionsOfAccount = 500;
const accountsOfEntity = 2;
const balancesOfAccount = 40;
const eventsOfAccount = 150;
/** Days over which the rows are spread, up to now. */
const days = 100;

export interface GrowTables {
  readonly transactions: number;
}

/** Accounts 1 to n, as `grownAccount` names them; `vacuum analyze` is part of it. Gives the number of accounts. */
export async function growTables(database: Database, { transactions }: GrowTables): Promise<number> {
  const accounts = Math.ceil(transactions / transactionsOfAccount);
  await database.transaction(async (inside) => {
    for (const statement of rowsOf(database, accounts)) await statement.execute(inside);
  });
  for (const name of grownTables) await sql`vacuum analyze ${database.table(name)}`.execute(database.db);
  return accounts;
}

export interface GrownAccount {
  readonly entityId: string;
  readonly accountId: string;
  readonly customerId: string;
}

/** What the nth account is called, from 1. */
export async function grownAccount(executor: Executor, number: number): Promise<GrownAccount> {
  const { rows } = await sql<GrownAccount>`
    select ${entityOf(sql`one.account`)} as "entityId", ${accountOf(sql`one.account`)} as "accountId",
      ${customerOf(sql`one.account`)} as "customerId"
    from (values (${number}::int)) as one (account)
  `.execute(executor);
  const [found] = rows;
  if (found === undefined) throw new Error('no row came back');
  return found;
}

/** All that grows with what arrives, but for what holds a row for each customer. */
export const grownTables = [
  'webhook_events',
  'intake_batches',
  'entities',
  'accounts',
  'balances',
  'transactions',
  'transaction_versions',
  'sync_runs',
  'sync_steps',
  'pending_results',
  'requests',
  'changes',
] as const;

type Part = RawBuilder<unknown>;
/** Lean's ids are UUIDs, which lie anywhere in an index. */
const uuidOf = (text: Part): Part => sql`md5(${text})::uuid::text`;
const entityNumber = (account: Part): Part =>
  sql`((${account} + ${accountsOfEntity - 1}) / ${accountsOfEntity})`;
const entityOf = (account: Part): Part => uuidOf(sql`'entity-' || ${entityNumber(account)}`);
const customerOf = (account: Part): Part => uuidOf(sql`'customer-' || ${entityNumber(account)}`);
const accountOf = (account: Part): Part => uuidOf(sql`'account-' || ${account}`);
const eventOf = (account: Part, number: Part): Part =>
  uuidOf(sql`'event-' || ${account} || '-' || ${number}`);
const whose = (account: Part): Part =>
  sql`${entityOf(account)}, ${accountOf(account)}, ${customerOf(account)}`;
const series = (many: number, name: string): Part =>
  sql`generate_series(1, ${many}::int) as ${sql.ref(name)}`;
const account = sql.ref('account');
const number = sql.ref('number');
/** The highest number of an account is the newest. */
const agoOf = (many: number): Part =>
  sql`now() - make_interval(secs => ${days * 86_400} * (1 - ${number} / ${many}::float8))`;

function rowsOf(database: Database, accounts: number): readonly Part[] {
  return [...bankRows(database, accounts), ...eventRows(database, accounts), ...syncRows(database, accounts)];
}

function bankRows(database: Database, accounts: number): readonly Part[] {
  const bookedAt = agoOf(transactionsOfAccount);
  return [
    sql`insert into ${database.table('entities')} (entity_id, customer_id, bank_identifier, bank_name, synced_at)
      select ${entityOf(account)}, ${customerOf(account)}, 'BANK_' || account % 20, 'A bank', now()
      from generate_series(1, ${accounts}::int, ${accountsOfEntity}) as account`,
    sql`insert into ${database.table('accounts')}
        (entity_id, account_id, customer_id, status, currency, account_type, normalizer_version, raw)
      select ${whose(account)}, 'ENABLED', 'AED', 'PERSONAL', 1, ${bytes(300)}
      from ${series(accounts, 'account')}`,
    sql`insert into ${database.table('balances')} (entity_id, account_id, customer_id, balance_type, currency,
        reported_at, reported_at_source, amount, credit_debit_indicator, normalizer_version, raw, refreshed_at)
      select ${whose(account)}, type, 'AED', ${agoOf(balancesOfAccount / 2)}, 'date_time', number, 'CREDIT', 1,
        ${bytes(200)}, ${agoOf(balancesOfAccount / 2)}
      from ${series(accounts, 'account')}, ${series(balancesOfAccount / 2, 'number')},
        (values ('INTERIM_AVAILABLE'), ('INTERIM_BOOKED')) as known (type)`,
    // One in fifty is pending, one in a hundred superseded.
    sql`insert into ${database.table('transactions')} (entity_id, account_id, customer_id, transaction_id, amount,
        currency, credit_debit_indicator, status, booked_at, booking_date, description, content_hash, refreshed_at,
        superseded_at, normalizer_version, raw)
      select ${whose(account)}, ${eventOf(account, number)}, (number % 977)::numeric + 0.25, 'AED', 'DEBIT',
        case when number % 50 = 0 then 'PENDING' else 'BOOKED' end, ${bookedAt}, (${bookedAt})::date,
        'Groceries ' || number, md5(number::text), now(), case when number % 100 = 0 then now() end, 1, ${bytes(500)}
      from ${series(accounts, 'account')}, ${series(transactionsOfAccount, 'number')}`,
    sql`insert into ${database.table('transaction_versions')} (entity_id, account_id, customer_id, transaction_id,
        version, amount, content_hash, normalizer_version, raw)
      select ${whose(account)}, ${eventOf(account, number)}, 1, 1, md5(number::text), 1, ${bytes(500)}
      from ${series(accounts, 'account')}, ${series(20, 'number')}`,
  ];
}

/** As incompressible as what is sealed. */
function bytes(length: number): Part {
  const hashes = Array.from(
    { length: Math.ceil(length / 16) },
    (_, index) => sql`decode(md5(account::text || ${sql.lit(index)}), 'hex')`,
  );
  return sql`(${sql.join(hashes, sql` || `)})`;
}

function eventRows(database: Database, accounts: number): readonly Part[] {
  const at = agoOf(eventsOfAccount);
  return [
    sql`insert into ${database.table('webhook_events')} (event_key, event_id, type, entity_id, customer_id,
        occurred_at, received_at, concluded_at, proof, state, body, body_sha256, payload_hash)
      select key, key, 'entity.data.refresh.updated', ${entityOf(account)}, ${customerOf(account)}, at, at, at,
        'signature', case when number % 100 = 0 then 'quarantined' else 'processed' end,
        case when at > now() - interval '7 days' then ${bytes(1_000)} end, md5(key), md5(key)
      from (
        select account, number, ${eventOf(account, number)} as key, ${at} as at
        from ${series(accounts, 'account')}, ${series(eventsOfAccount, 'number')}
      ) as made`,
    sql`insert into ${database.table('intake_batches')} (job_id, deliveries, stored_at)
      select 'in_' || ${eventOf(account, number)}, 30, ${agoOf(5)}
      from ${series(accounts, 'account')}, ${series(5, 'number')}`,
    // In the order in which they came, as positions are.
    sql`insert into ${database.table('changes')} (position, change, entity_id, account_id, customer_id, event_key, at,
        details)
      select last_position + row_number() over (order by number, account), 'transactions.updated', ${whose(account)},
        ${eventOf(account, number)}, ${at}, '{"inserted": 3, "changed": 0, "superseded": 0}'
      from ${series(accounts, 'account')}, ${series(eventsOfAccount, 'number')},
        ${database.table('change_feed_state')}
      order by number, account`,
    sql`update ${database.table('change_feed_state')}
      set last_position = (select max(position) from ${database.table('changes')})`,
  ];
}

function syncRows(database: Database, accounts: number): readonly Part[] {
  const runs = 30;
  const at = agoOf(runs);
  const run = uuidOf(sql`'run-' || account || '-' || number`);
  return [
    sql`insert into ${database.table('sync_runs')} (sync_id, entity_id, customer_id, reason, state, event_key,
        started_at, finished_at, updated_at)
      select ${run}, ${entityOf(account)}, ${customerOf(account)}, 'refresh', 'done',
        ${eventOf(account, number)}, ${at}, ${at}, ${at}
      from ${series(accounts, 'account')}, ${series(runs, 'number')}`,
    sql`insert into ${database.table('sync_steps')} (sync_id, step_key, kind, account_id, page, state, priority,
        due_at, updated_at)
      select ${run}, 'transactions:' || ${accountOf(account)} || ':0:' || page, 'transactions',
        ${accountOf(account)}, page, 'done', 5, ${at}, ${at}
      from ${series(accounts, 'account')}, ${series(runs, 'number')}, generate_series(0, 4) as page`,
    sql`insert into ${database.table('pending_results')} (results_id, entity_id, customer_id, account_id, kind,
        sync_id, asked_at, ready_at, resolved_at)
      select ${uuidOf(sql`'results-' || account || '-' || number`)}, ${entityOf(account)}, ${customerOf(account)},
        ${accountOf(account)}, 'transactions', ${run}, ${at}, ${at}, ${at}
      from ${series(accounts, 'account')}, ${series(runs, 'number')}`,
    sql`insert into ${database.table('requests')} (kind, entity_id, customer_id, state, asked_at, concluded_at)
      select 'sync', ${entityOf(account)}, ${customerOf(account)}, 'done', ${at}, ${at}
      from ${series(accounts, 'account')}, ${series(runs, 'number')}`,
  ];
}
