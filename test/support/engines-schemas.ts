// A migrated schema that one test hands on to the next one of its file: emptied to what migrations leave in it, which
// takes a tenth of making another. A schema whose definition a test has changed is never handed on.
import { sql } from 'kysely';
import type { Database } from '../../src/store/database.ts';

export interface HandedOn {
  readonly schema: string;
  /** Changes with any table, column, index, rule, right or statistic. */
  readonly definition: string;
  /** Rows of a fresh schema, by table, as JSON. */
  readonly seeds: ReadonlyMap<string, string>;
}

/** Of a schema that was just migrated. */
export async function lookAtFresh(database: Database): Promise<HandedOn> {
  const seeds = new Map<string, string>();
  for (const table of await tablesWithRows(database)) {
    const { rows } = await sql<{ seeds: string }>`
      select json_agg(one)::text as seeds from ${sql.id(database.schema, table)} as one
    `.execute(database.db);
    seeds.set(table, rows[0]?.seeds ?? '[]');
  }
  return { schema: database.schema, definition: await definitionOf(database), seeds };
}

/** Says whether it is as it was when it was fresh; what cannot be emptied is not. */
export async function emptyAgain(database: Database, { definition, seeds }: HandedOn): Promise<boolean> {
  if ((await definitionOf(database)) !== definition) return false;
  const { schema } = database;
  const tables = await tablesWithRows(database);
  await database.db.transaction().execute(async (transaction) => {
    const names = sql.join(tables.map((table) => sql.id(schema, table)));
    await sql`truncate ${names} restart identity cascade`.execute(transaction);
    for (const [table, rows] of seeds) {
      const name = sql.id(schema, table);
      await sql`
        insert into ${name} overriding system value select * from json_populate_recordset(null::${name}, ${rows}::json)
      `.execute(transaction);
    }
  });
  return true;
}

/** Those with a page at least; one that was emptied row by row still has some. */
async function tablesWithRows({ db, schema }: Database): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class
    where relnamespace = ${schema}::regnamespace and relkind = 'r' and pg_relation_size(oid) > 0 order by relname
  `.execute(db);
  return rows.map(({ name }) => name);
}

async function definitionOf({ db, schema }: Database): Promise<string> {
  const { rows } = await sql<{ definition: string }>`
    with relations as (
      select oid, relname, relkind, relacl, reloptions from pg_class where relnamespace = ${schema}::regnamespace
    ), parts as (
      select concat_ws(' ', 'space', nspacl) as part from pg_namespace where nspname = ${schema}
      union all select concat_ws(' ', oid, relname, relkind, relacl, reloptions) from relations
      union all select concat_ws(' ', attrelid, attnum, attname, atttypid, attnotnull, attisdropped, attacl)
        from pg_attribute where attrelid in (select oid from relations) and attnum > 0
      union all select concat_ws(' ', 'default', adrelid, adnum, md5(adbin::text)) from pg_attrdef
        where adrelid in (select oid from relations)
      union all select concat_ws(' ', 'rule', oid, conname, convalidated) from pg_constraint
        where connamespace = ${schema}::regnamespace
      union all select concat_ws(' ', 'index', indexrelid, indisvalid) from pg_index
        where indrelid in (select oid from relations)
      union all select concat_ws(' ', 'trigger', oid, tgname, tgenabled) from pg_trigger
        where tgrelid in (select oid from relations)
      union all select concat_ws(' ', 'function', oid, proname, md5(prosrc), proacl, proconfig) from pg_proc
        where pronamespace = ${schema}::regnamespace
      union all select concat_ws(' ', 'view', oid, ev_class) from pg_rewrite
        where ev_class in (select oid from relations)
      union all select concat_ws(' ', 'statistic', starelid, staattnum) from pg_statistic
        where starelid in (select oid from relations)
    )
    select md5(string_agg(part, ',' order by part)) as definition from parts
  `.execute(db);
  return rows[0]?.definition ?? '';
}
