// Transactions as a worker stores a page of them, from Lean's text to rows, beside a bare multi-row INSERT … ON CONFLICT
// of the very same rows through the same driver: what normalizing, sealing and everything careful costs.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { Pool } from 'pg';
import { parseLossless } from '../../../src/core/lossless-json.ts';
import { listKinds, readPage } from '../../../src/lean/lean-lists.ts';
import { normalizeTransactions } from '../../../src/lean/normalize-transaction.ts';
import { wireReplySchema } from '../../../src/lean/wire-reply.ts';
import { readKeyRing, type KeyRing } from '../../../src/sealing/key-ring.ts';
import { upsertTransactions } from '../../../src/store/transaction-store.ts';
import { createRandom } from '../../simulator/random.ts';
import { transactionsReply } from '../../simulator/reply-bodies.ts';
import { generateTransactions } from '../../simulator/transactions.ts';
import { ratios } from '../rounds.ts';
import type { BenchContext, Scenario, ScenarioResult } from '../scenario.ts';
import { leanCustomers } from '../worker-lean.ts';
import { withWorkers, type WorkerStage } from '../worker-stage.ts';
import { sizeOf } from '../waits.ts';

/** Lean's page. */
const pageSize = 100;
const refreshedAt = {
  at: '2026-11-01T08:00:00.000Z',
  text: '2026-11-01T08:00:00.000Z',
  ns: 1_793_520_000_000_000_000n,
};

interface Bench {
  readonly stage: WorkerStage;
  readonly pool: Pool;
  readonly keyRing: KeyRing | null;
  readonly pages: number;
}

/** Pages of one account that nobody has read before, as Lean's text. */
interface Account {
  readonly entityId: string;
  readonly accountId: string;
  readonly texts: readonly string[];
}

export const workerUpsert: Scenario = {
  name: 'worker-upsert',
  title: 'Transactions normalized and upserted, beside a bare INSERT … ON CONFLICT of the same rows',
  run: (context: BenchContext): Promise<ScenarioResult> =>
    withWorkers(context, {}, (stage) => measureRounds(context, stage)),
};

async function measureRounds(
  { quick, rounds, say }: BenchContext,
  stage: WorkerStage,
): Promise<ScenarioResult> {
  const pool = new Pool({ connectionString: stage.parts.databaseUrl, max: 1 });
  try {
    const keyRing = readKeyRing({ keysBase64: [stage.parts.payloadKey], sealing: 'on' });
    const bench = { stage, pool, keyRing, pages: quick ? 10 : sizeOf('BENCH_PAGES', 50) };
    const taken: Record<Part, number[]> = { whole: [], normalized: [], bare: [] };
    // The first round warms up the code and the caches, and is not counted.
    for (let round = quick ? 1 : 0; round <= rounds; round += 1) {
      const measured = await measure(bench, `${round}`);
      if (round > 0) for (const part of parts) taken[part].push(measured[part]);
      say(parts.map((part) => `${part} ${measured[part].toFixed(0)}/s`).join(', '));
    }
    return {
      figures: parts.map((part) => ({
        subject: subjects[part],
        what: 'rows',
        unit: '1/s',
        rounds: taken[part],
      })),
      ratios: [
        {
          what: 'rows/s, normalized and upserted / bare INSERT … ON CONFLICT',
          target: { atLeast: 0.5 },
          rounds: ratios(taken.normalized, taken.bare),
        },
        {
          what: 'rows/s, the same from the text of the reply / bare INSERT … ON CONFLICT',
          target: null,
          rounds: ratios(taken.whole, taken.bare),
        },
      ],
    };
  } finally {
    await pool.end();
  }
}

const parts = ['whole', 'normalized', 'bare'] as const;
type Part = (typeof parts)[number];
const subjects: Readonly<Record<Part, string>> = {
  whole: 'worker, from the text of a reply to rows',
  normalized: 'worker, from read items to rows',
  bare: 'INSERT … ON CONFLICT',
};

/** Each part has an account of its own, all rows are new to it, and the parts take turns page by page. */
async function measure(bench: Bench, label: string): Promise<Record<Part, number>> {
  const whole = makeAccount(bench.pages, `${label}/whole`);
  const normalized = makeAccount(bench.pages, `${label}/normalized`);
  const bare = makeAccount(bench.pages, `${label}/bare`);
  const bareRows = await takeRows(bench, bare);
  const read = normalized.texts.map((text) => readItems(normalized, text));
  const spentMs: Record<Part, number> = { whole: 0, normalized: 0, bare: 0 };
  const timed = async (part: Part, run: () => Promise<void>): Promise<void> => {
    const startedAt = performance.now();
    await run();
    spentMs[part] += performance.now() - startedAt;
  };
  for (const [page, text] of whole.texts.entries()) {
    await timed('whole', () => store(bench, whole, readItems(whole, text)));
    await timed('bare', () => insertBare(bench, bareRows[page]));
    await timed('normalized', () => store(bench, normalized, read[page] ?? []));
  }
  const rows = bench.pages * pageSize;
  await checkRows(bench, [whole, normalized, bare], rows);
  const perSecond = (part: Part): number => rows / (spentMs[part] / 1_000);
  return { whole: perSecond('whole'), normalized: perSecond('normalized'), bare: perSecond('bare') };
}

function makeAccount(pages: number, label: string): Account {
  const [entity] = leanCustomers({}).entities;
  const [account] = entity?.accounts ?? [];
  if (entity === undefined || account === undefined) throw new Error('no account to be like');
  const owned = {
    entity: { ...entity, entityId: randomUUID() },
    account: { ...account, accountId: randomUUID() },
  };
  const { region, refreshedAt: at } = entity;
  const texts = Array.from({ length: pages }, (_, page) => {
    const random = createRandom(`${label}/${page}`);
    const transactions = generateTransactions({
      random,
      region,
      currency: account.currency,
      count: pageSize,
      at,
    });
    const facts = { resultsId: randomUUID(), timestamp: at, refreshedAt: at, page: 0, size: pageSize };
    return transactionsReply(owned, { ...facts, transactions });
  });
  return { entityId: owned.entity.entityId, accountId: owned.account.accountId, texts };
}

function readItems({ entityId, accountId }: Account, bodyText: string) {
  const body = parseLossless(bodyText);
  const reply = wireReplySchema.parse(body);
  const belongsTo = { entity_id: entityId, account_id: accountId };
  const page = readPage({ body, bodyText, reply }, listKinds.transactions, { page: 0, belongsTo });
  if (page === null || page.items.length !== pageSize) throw new Error('a page does not read');
  return page.items;
}

async function store(
  { stage: { database }, keyRing }: Bench,
  { entityId, accountId }: Account,
  items: ReturnType<typeof readItems>,
): Promise<void> {
  const transactions = normalizeTransactions(items);
  await database.transaction(async (transaction) => {
    const whose = { entityId, accountId, customerId: 'customer', syncId: 'sync', eventKey: null };
    const { refused } = await upsertTransactions(database, transaction, {
      ...whose,
      refreshedAt,
      transactions,
      keyRing,
    });
    if (refused > 0) throw new Error(`${refused} transactions were refused`);
  });
}

interface BarePage {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Lets the worker's own code store an account, and takes its rows away again: the statement's values, ready to be sent. */
async function takeRows(bench: Bench, account: Account): Promise<BarePage[]> {
  const { database } = bench.stage;
  const { entityId, accountId } = account;
  const pages: BarePage[] = [];
  for (const text of account.texts) {
    await store(bench, account, readItems(account, text));
    const { rows } = await sql<Record<string, unknown>>`
      delete from ${database.table('transactions')}
      where entity_id = ${entityId} and account_id = ${accountId} returning *
    `.execute(database.db);
    pages.push(bareInsert(database.schema, rows));
  }
  return pages;
}

const madeByPostgres: ReadonlySet<string> = new Set(['signed_amount', 'created_at', 'updated_at']);
const keyColumns: ReadonlySet<string> = new Set(['entity_id', 'account_id', 'transaction_id']);

function bareInsert(schema: string, rows: readonly Record<string, unknown>[]): BarePage {
  const columns = Object.keys(rows[0] ?? {}).filter((column) => !madeByPostgres.has(column));
  const values = rows.flatMap((row) => columns.map((column) => bareValue(row[column])));
  const tuples = rows.map(
    (_, row) => `(${columns.map((_column, place) => `$${row * columns.length + place + 1}`).join(',')})`,
  );
  const set = columns
    .filter((column) => !keyColumns.has(column))
    .map((column) => `${column} = excluded.${column}`);
  const text = `insert into ${schema}.transactions (${columns.join(',')}) values ${tuples.join(',')}
    on conflict (entity_id, account_id, transaction_id) do update set ${set.join(',')}, updated_at = now()`;
  return { text, values };
}

/** What the driver would make of it in each round is made once. */
function bareValue(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  const isPlain =
    typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array;
  return isPlain ? value : JSON.stringify(value);
}

async function insertBare({ pool }: Bench, page: BarePage | undefined): Promise<void> {
  if (page === undefined) throw new Error('no page to insert');
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(page.text, [...page.values]);
    await client.query('commit');
  } finally {
    client.release();
  }
}

async function checkRows(
  { stage: { database } }: Bench,
  accounts: readonly Account[],
  rows: number,
): Promise<void> {
  for (const { accountId } of accounts) {
    const { stored } = await database.db
      .selectFrom('transactions')
      .where('account_id', '=', accountId)
      .select(({ fn }) => fn.countAll<string>().as('stored'))
      .executeTakeFirstOrThrow();
    if (Number(stored) !== rows) throw new Error(`${stored} of ${rows} rows are there`);
  }
}
