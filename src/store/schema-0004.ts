// The fourth schema: which booking a pending payment has become, what exactly a version differed in, and the views that
// the application reads. `@` stands for the quoted schema, as in the first. A former version's worker goes on.

const locks = [
  // Behind a lock that somebody else holds for long, every worker would wait with us: then rather another time.
  `set local lock_timeout = '20s'`,
  // All at once and before anything else, so that no worker holds one of them and waits for another.
  `lock table @.balances, @.transactions, @.transaction_versions in access exclusive mode`,
];

/** Not looked for in the rows that are there, which have none: that would read the whole table under its lock. */
function addCheck(table: string, column: string, condition: string): string {
  return `alter table @.${table} add constraint ${table}_${column}_check check (${condition}) not valid`;
}

const transactions = [
  // When lists had the row first and last, in Lean's time; null on rows of a former version, which are never guessed at.
  `alter table @.transactions
    add column first_listed_at timestamptz,
    add column last_listed_at timestamptz,
    add column supersede_confidence numeric(3, 2),
    add column booked_at_precision text`,
  addCheck('transactions', 'supersede_confidence', 'supersede_confidence between 0 and 1'),
  addCheck('transactions', 'booked_at_precision', "booked_at_precision in ('date', 'instant')"),
  `create index transactions_pending on @.transactions (entity_id, account_id)
    where status = 'PENDING' and superseded_by is null`,
  `create index transactions_superseded_by on @.transactions (entity_id, account_id, superseded_by)
    where superseded_by is not null`,
];

// Rows of a former normalizer are mostly none, or all of them; either way they are gone through in the order of their
// keys without reading those that are done.
const normalizers = [
  `create index transactions_normalizer on @.transactions
    (normalizer_version, entity_id, account_id, transaction_id)`,
  `create index balances_normalizer on @.balances
    (normalizer_version, entity_id, account_id, balance_type, currency, reported_at)`,
];

const balances = [
  // Of the list that had it: figures of an older list never take the place of newer ones under one report time.
  `alter table @.balances add column refreshed_at timestamptz`,
];

const versions = [
  // changed_columns: null where a former version's worker kept the row.
  `alter table @.transaction_versions
    add column changed_columns text[],
    add column rule text not null default 'listed',
    add column amount_minor numeric(38, 0),
    add column booked_at timestamptz,
    add column booked_at_precision text,
    add column value_at timestamptz,
    add column transaction_type text,
    add column merchant_name text,
    add column merchant_category_code text,
    add column counterparty jsonb,
    add column category text,
    add column refreshed_at timestamptz,
    add column warnings text[]`,
  addCheck('transaction_versions', 'rule', "rule in ('listed', 'renormalized')"),
];

/**
 * Which balance types say what is there now, best first. EXPECTED and FORWARD_AVAILABLE speak of the future, the
 * CLEARED ones of neither side, INFORMATION of nothing certain. v1 has one number that may be either: it comes last.
 */
const typesOf = {
  available: ['INTERIM_AVAILABLE', 'CLOSING_AVAILABLE', 'OPENING_AVAILABLE', 'balance'],
  booked: ['INTERIM_BOOKED', 'CLOSING_BOOKED', 'OPENING_BOOKED', 'PREVIOUSLY_CLOSED_BOOKED', 'balance'],
} as const;

const sides = Object.entries(typesOf)
  .flatMap(([side, types]) => types.map((type, place) => `('${type}', '${side}', ${place})`))
  .join(', ');

/** The columns of one side; `max` is of one row, there is no second. */
function sideColumns(side: keyof typeof typesOf): string {
  const only = `filter (where side = '${side}')`;
  return `max(amount) ${only} as ${side}_amount,
      max(credit_debit_indicator) ${only} as ${side}_indicator,
      max(case credit_debit_indicator when 'CREDIT' then amount when 'DEBIT' then -amount end) ${only}
        as ${side}_signed_amount,
      max(balance_type) ${only} as ${side}_type,
      max(reported_at) ${only} as ${side}_reported_at,
      max(reported_at_source) ${only} as ${side}_reported_at_source`;
}

/** When Lean last had it so; rows of a former version do not say. */
const knownAt = 'coalesce(balance.refreshed_at, balance.reported_at)';

const views = [
  // What the newest list had counts, or was reported within a minute of it, since balances of one report carry times
  // some milliseconds apart; there the order of types decides, whatever times the bank gives its types. Read by entity
  // and account, it reads the balances of that account alone.
  `create view @.current_balances as
    select entity_id, account_id, currency, max(customer_id) as customer_id,
      ${sideColumns('available')},
      jsonb_agg(credit_lines) filter (where side = 'available') -> 0 as available_credit_lines,
      bool_or(credit_lines @> '[{"included": true}]') filter (where side = 'available')
        as available_includes_credit,
      ${sideColumns('booked')},
      jsonb_agg(credit_lines) filter (where side = 'booked') -> 0 as booked_credit_lines
    from (
      select distinct on (entity_id, account_id, currency, side) *
      from (
        select balance.entity_id, balance.account_id, balance.currency, balance.customer_id, balance.balance_type,
          balance.amount, balance.credit_debit_indicator, balance.credit_lines, balance.reported_at,
          balance.reported_at_source, known.side, known.place,
          ${knownAt} as known_at, max(${knownAt}) over (
            partition by balance.entity_id, balance.account_id, balance.currency, known.side
          ) as newest_at
        from @.balances as balance
        join (values ${sides}) as known (balance_type, side, place) on known.balance_type = balance.balance_type
      ) as usable
      where known_at >= newest_at - interval '1 minute'
      order by entity_id, account_id, currency, side, place, reported_at desc
    ) as chosen
    group by entity_id, account_id, currency`,
  // A row without a status is of v1, where a bank may leave out whether it is pending: it counts until it vanishes.
  `create view @.booked_transactions as
    select entity_id, account_id, transaction_id, customer_id, amount, currency, credit_debit_indicator, signed_amount,
      amount_minor, status, mutability, booked_at, booked_at_precision, booking_date, value_at, description, reference,
      transaction_type, merchant_name, merchant_category_code, counterparty, category, warnings, refreshed_at,
      created_at, updated_at
    from @.transactions
    where superseded_at is null and (status = 'BOOKED' or status is null)`,
  // One row per account, and one more for each further currency of its balances. `offset 0` keeps Postgres from working
  // out the balances of every account for the sake of a few.
  `create view @.account_overview as
    select account.entity_id, account.account_id, account.customer_id, entity.bank_identifier, entity.bank_name,
      entity.state as entity_state, entity.synced_at, account.status, account.currency, account.account_type,
      account.account_sub_type, account.nickname, account.account_holder_name, account.iban, account.opening_date,
      account.refreshed_at, account.removed_at, account.warnings, balance.currency as balance_currency,
      balance.available_signed_amount, balance.available_type, balance.available_reported_at,
      balance.available_includes_credit, balance.booked_signed_amount, balance.booked_type, balance.booked_reported_at
    from @.accounts as account
    left join @.entities as entity on entity.entity_id = account.entity_id
    left join lateral (
      select * from @.current_balances as one
      where one.entity_id = account.entity_id and one.account_id = account.account_id
      offset 0
    ) as balance on true`,
];

export const schema0004: readonly string[] = [
  ...locks,
  ...transactions,
  ...balances,
  ...normalizers,
  ...versions,
  ...views,
];
