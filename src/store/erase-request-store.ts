// Wishes to have a customer erased: one worker at a time carries one out, for as long as it says that it is alive. Once
// it is done the customer is not named any more.
import { sql } from 'kysely';
import type { Database, Executor } from './database.ts';

export interface EraseRequest {
  readonly requestId: string;
  readonly customerId: string;
  /** When it was last asked for, by the database's clock; to the next millisecond. */
  readonly askedAt: Date;
  /** Who else takes it up raises it; then it is not ours any more. */
  readonly attempts: number;
  /** Nobody has begun with it before. */
  readonly isFirst: boolean;
}

/** Whoever joins the wish makes it anew: then it covers what there is by then. */
const askedMs = sql<number>`ceil(extract(epoch from created_at) * 1000)::float8`;

/** The oldest that nobody is at, by the database's clock; ours for so long. */
export async function claimEraseRequest(
  database: Database,
  { leaseMs }: { readonly leaseMs: number },
): Promise<EraseRequest | null> {
  const requests = database.table('requests');
  const { rows } = await sql<Omit<EraseRequest, 'askedAt'> & { readonly askedMs: number }>`
    update ${requests} as request
    set state = 'running', attempts = attempts + 1, updated_at = now(),
      due_at = now() + make_interval(secs => ${leaseMs / 1000})
    where request_id = (
      select request_id from ${requests}
      where kind = 'erase' and customer_id is not null and concluded_at is null and due_at <= now()
      order by due_at, request_id limit 1 for update skip locked
    )
    returning request_id as "requestId", customer_id as "customerId", attempts, attempts = 1 as "isFirst",
      ${askedMs} as "askedMs"
  `.execute(database.db);
  const [row] = rows;
  if (row === undefined) return null;
  const { askedMs: ms, ...request } = row;
  return { ...request, askedAt: new Date(ms) };
}

type Claim = Pick<EraseRequest, 'requestId' | 'attempts'>;

function ours(executor: Executor, { requestId, attempts }: Claim) {
  return executor
    .updateTable('requests')
    .where('request_id', '=', requestId)
    .where('attempts', '=', attempts)
    .where('concluded_at', 'is', null);
}

/** Ours for so long from now on; 0: anybody's at once. False when somebody else has taken it up meanwhile. */
export async function renewEraseRequest(
  executor: Executor,
  {
    leaseMs,
    failureCode = null,
    ...claim
  }: Claim & { readonly leaseMs: number; readonly failureCode?: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await ours(executor, claim)
    .set({
      due_at: sql`now() + make_interval(secs => ${leaseMs / 1000})`,
      failure_code: failureCode,
      updated_at: sql`now()`,
    })
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** The row says that it is done and no longer of whom. False as above, and when it was asked for again meanwhile. */
export async function concludeEraseRequest(
  executor: Executor,
  { askedAt, ...claim }: Claim & Pick<EraseRequest, 'askedAt'>,
): Promise<boolean> {
  const { numUpdatedRows } = await ours(executor, claim)
    .set({
      state: 'done',
      customer_id: null,
      failure_code: null,
      concluded_at: sql<string>`now()`,
      updated_at: sql`now()`,
    })
    .where(askedMs, '=', askedAt.getTime())
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
