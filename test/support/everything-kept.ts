// Reads everything an engine or a folder holds, as named pieces of bytes, for tests that search it. Knows no table,
// no queue and no file by name, so that what is added later is searched as well.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Database } from '../../src/store/database.ts';

export interface Piece {
  /** `table.column`, a key, or a file's name. */
  readonly place: string;
  readonly bytes: Buffer;
}

/** Every file below a folder; none when there is no such folder. */
export async function filesBelow(folder: string): Promise<Piece[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => ({
      place: name,
      bytes: await readFile(path.join(parentPath, name)),
    })),
  );
}

/** Every key with what is in it, whatever its kind, and the log of every command that wrote, where there is one. */
export async function redisKept(url: string): Promise<Piece[]> {
  const redis = new Redis(url);
  try {
    const pieces: Piece[] = [];
    for (const key of await redis.keys('*')) {
      const kind = await redis.type(key);
      const read = redisReaders.get(kind);
      if (read === undefined) throw new Error(`nothing here reads a ${kind}, as ${key} is`);
      const values = (await read(redis, key)).flat(Infinity);
      pieces.push({ place: key, bytes: Buffer.from([key, ...values].map(String).join('\n')) });
    }
    const [, folder = ''] = z.array(z.string()).parse(await redis.config('GET', 'dir'));
    return [...pieces, ...(await filesBelow(folder))];
  } finally {
    redis.disconnect();
  }
}

const redisReaders = new Map<string, (redis: Redis, key: string) => Promise<unknown[]>>([
  // Gone since its name was read.
  ['none', async () => []],
  ['string', async (redis, key) => [await redis.get(key)]],
  ['list', (redis, key) => redis.lrange(key, 0, -1)],
  ['set', (redis, key) => redis.smembers(key)],
  ['zset', (redis, key) => redis.zrange(key, '0', '-1', 'WITHSCORES')],
  ['hash', async (redis, key) => Object.entries(await redis.hgetall(key))],
  ['stream', (redis, key) => redis.xrange(key, '-', '+')],
]);

/** Every column of every table of a schema, all its rows together; bytes as they are, everything else as Postgres prints it. */
export async function postgresKept({ db }: Database, schema: string): Promise<Piece[]> {
  const { rows: columns } = await sql<{ table: string; column: string; type: string }>`
    select c.table_name as table, c.column_name as column, c.data_type as type
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = ${schema} and t.table_type = 'BASE TABLE'`.execute(db);
  const pieces: Piece[] = [];
  for (const { table, column, type } of columns) {
    const value = type === 'bytea' ? sql.ref(column) : sql`convert_to(${sql.ref(column)}::text, 'UTF8')`;
    const { rows } = await sql<{ value: Buffer | null }>`
      select ${value} as value from ${sql.table(`${schema}.${table}`)}`.execute(db);
    pieces.push({
      place: `${table}.${column}`,
      bytes: Buffer.concat(
        rows.flatMap(({ value: bytes }) => (bytes === null ? [] : [bytes, Buffer.from('\n')])),
      ),
    });
  }
  return pieces;
}
