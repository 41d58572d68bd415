// What an operator should know of a database and of the role that works on it. Reads catalogues only.
import { sql } from 'kysely';
import type { Database } from './database.ts';

export interface DatabaseFacts {
  /** As Postgres says it: "17.2". */
  readonly version: string;
  readonly role: string;
  /** Why nothing can be written there, in words; null where it can. */
  readonly readOnly: string | null;
  /** Whether anything was made in the schema yet. */
  readonly hasTables: boolean;
  /** `table right` for what the role would need and has not. */
  readonly lacking: readonly string[];
  /** Without these the schema cannot even be looked at. */
  readonly isBlind: boolean;
  /** What the role may beyond reading and writing rows, in words. */
  readonly excess: readonly string[];
}

interface FactsRow {
  readonly version: string;
  readonly role: string;
  readonly is_standby: boolean;
  readonly is_read_only: boolean;
  readonly is_superuser: boolean;
  readonly may_use: boolean | null;
  readonly may_create: boolean | null;
  readonly tables: string;
  readonly owned: string;
  readonly truncated: string;
  readonly lacking: string[] | null;
}

const toLook: ReadonlySet<string> = new Set(['schema_migrations select', 'installation select']);

/** Throws what the database throws. */
export async function readDatabaseFacts({ db, schema }: Database): Promise<DatabaseFacts> {
  const { rows } = await sql<FactsRow>`
    with own as (select oid from pg_namespace where nspname = ${schema}),
    relations as (
      select c.oid, c.relname, pg_has_role(current_user, c.relowner, 'USAGE') as is_own
      from pg_class c join own on c.relnamespace = own.oid
      where c.relkind in ('r', 'p') and c.relname <> 'schema_migrations_lock'
    ),
    wanted as (
      select relations.oid, relname, wish from relations, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) wish
      where wish = 'SELECT' or relname not in ('installation', 'schema_migrations')
    )
    select current_setting('server_version') as version, current_user::text as role,
      pg_is_in_recovery() as is_standby,
      current_setting('transaction_read_only')::boolean as is_read_only,
      (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
      (select has_schema_privilege(oid, 'USAGE') from own) as may_use,
      (select has_schema_privilege(oid, 'CREATE') from own) as may_create,
      (select count(*)::text from relations) as tables,
      (select count(*)::text from relations where is_own) as owned,
      (select count(*)::text from relations where not is_own and has_table_privilege(oid, 'TRUNCATE')) as truncated,
      (select array_agg(missing order by missing) from (
        select relname || ' ' || lower(wish) as missing from wanted where not has_table_privilege(oid, wish)
        union all
        select proname || ' execute' from pg_proc join own on pronamespace = own.oid
        where proname = 'ask_for' and not has_function_privilege(pg_proc.oid, 'EXECUTE')
      ) as every_missing) as lacking
  `.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('Postgres does not describe itself');
  const mayUse = row.may_use !== false;
  const lacking = mayUse ? (row.lacking ?? []) : [`schema ${schema} usage`];
  return {
    version: row.version,
    role: row.role,
    readOnly: readOnlyReason(row),
    hasTables: row.tables !== '0',
    lacking,
    isBlind: !mayUse || lacking.some((right) => toLook.has(right)),
    excess: row.is_superuser ? ['is a superuser'] : excessOf(row),
  };
}

function readOnlyReason({ is_standby, is_read_only }: FactsRow): string | null {
  if (is_standby) return 'it is a standby';
  return is_read_only ? 'transactions are read-only' : null;
}

function excessOf({ may_create, owned, truncated }: FactsRow): string[] {
  return [
    ...(may_create === true ? ['may create tables in the schema'] : []),
    ...(owned === '0' ? [] : [`owns ${owned} of its tables, or may act as their owner`]),
    ...(truncated === '0' ? [] : [`may truncate ${truncated} of its tables`]),
  ];
}
