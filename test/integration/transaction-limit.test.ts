// A transaction whose owner goes silent between two statements: Postgres ends it, and who waits for its rows goes on.
import { sql } from 'kysely';
import { expect, it, type TestContext } from 'vitest';
import { databaseFailure } from '../../src/store/database-failures.ts';
import { openDatabase, postgresDialect, type Database, type Executor } from '../../src/store/database.ts';
import { engines } from '../support/engines.ts';

interface Wish {
  readonly transactionIdleMs?: number;
}

/** One connection, so that every statement of a test is on it. */
function connect(context: TestContext, { transactionIdleMs }: Wish = {}): Database {
  const url = engines.databaseUrl;
  context.skip(url === undefined, 'needs a Postgres that is reached over a network');
  const database = openDatabase({
    schema: 'public',
    dialect: postgresDialect({
      url: url ?? '',
      poolSize: 1,
      applicationName: 'limited',
      onIdleError: () => undefined,
      ...(transactionIdleMs !== undefined && { transactionIdleMs }),
    }),
  });
  context.onTestFinished(() => database.close());
  return database;
}

async function setting(executor: Executor, name: string): Promise<unknown> {
  const { rows } = await sql<{ value: string }>`select current_setting(${name}) as value`.execute(executor);
  return rows[0]?.value;
}

async function lockName(executor: Executor): Promise<void> {
  await sql`select pg_advisory_xact_lock(${process.pid}, 1)`.execute(executor);
}

it('a frozen owner holds its locks no longer than its bound, and learns of it as of a lost connection', async (context) => {
  const frozen = connect(context, { transactionIdleMs: 3_000 });
  const twin = connect(context);
  const twinIsDone = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const late = frozen
    .transaction(async (transaction) => {
      await lockName(transaction);
      locked.resolve();
      await twinIsDone.promise;
      return lockName(transaction);
    })
    .catch((error: unknown) => error);
  // One that ended before it came to its lock is judged below, and not waited for.
  await Promise.race([locked.promise, late]);
  await twin.transaction((transaction) => lockName(transaction));
  twinIsDone.resolve();
  // What a job steps back for without spending an attempt.
  expect(databaseFailure(await late)).toBe('away');
  // On another connection: nothing is left of the one that was ended.
  expect(await setting(frozen.db, 'transaction_isolation')).toBe('read committed');
});

it('is told to each transaction for itself: a session that somebody else uses next knows nothing of it', async (context) => {
  const database = connect(context);
  const name = 'idle_in_transaction_session_timeout';
  const before = await setting(database.db, name);
  expect(await database.transaction((transaction) => setting(transaction, name))).toBe('15s');
  expect(await setting(database.db, name)).toBe(before);
});

it('a commit is on disk before anybody is told of it, also where the server answers earlier by itself', async (context) => {
  const database = connect(context);
  const name = 'synchronous_commit';
  const inside = () => database.transaction((transaction) => setting(transaction, name));
  await sql`set synchronous_commit = off`.execute(database.db);
  expect(await inside()).toBe('on');
  expect(await setting(database.db, name)).toBe('off');
  // Stricter than `on`: it stays.
  await sql`set synchronous_commit = remote_apply`.execute(database.db);
  expect(await inside()).toBe('remote_apply');
});

it('begins as it is asked to: with an isolation level, and for reading only', async (context) => {
  const database = connect(context);
  const begun = database.db.transaction().setIsolationLevel('serializable').setAccessMode('read only');
  expect(await begun.execute((transaction) => setting(transaction, 'transaction_isolation'))).toBe(
    'serializable',
  );
  expect(await begun.execute((transaction) => setting(transaction, 'transaction_read_only'))).toBe('on');
  expect(await setting(database.db, 'transaction_read_only')).toBe('off');
});
