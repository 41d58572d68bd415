// The scenes of the demo, in order. Each shows one promise and fails when it is not kept.
import { sql } from 'kysely';
import { textTable } from '../../src/core/text-table.ts';
import { playStory, type StoryDelivery, type StoryName } from '../simulator/stories.ts';
import { eventually } from '../support/eventually.ts';
import type { Stage } from './stage.ts';

const settleTimeoutMs = 15_000;

export async function showScenes(stage: Stage): Promise<void> {
  await linkBank(stage);
  await refuseForgeries(stage);
  await countDuplicates(stage);
  await acceptWithoutRedis(stage);
  await showCallsBack(stage);
  await showRows(stage);
}

async function linkBank(stage: Stage): Promise<void> {
  title(stage, 'A customer connects a bank: Lean tells us over mTLS, signed');
  await tell(stage, 'link-bank');
}

async function refuseForgeries(stage: Stage): Promise<void> {
  title(stage, 'Strangers knock: every forgery is refused');
  await tell(stage, 'forge');
}

async function countDuplicates(stage: Stage): Promise<void> {
  title(stage, 'Lean delivers one event seven times: one row');
  await tell(stage, 'duplicate');
  const rows = await eventually(
    async () => {
      const counted = await query(
        stage,
        'webhook_events where delivery_count > 1',
        'type, state, delivery_count',
      );
      if (counted.length !== 1 || counted[0]?.['delivery_count'] !== 7)
        throw new Error('the duplicates are not one row');
      return counted;
    },
    { timeoutMs: settleTimeoutMs },
  );
  stage.say(textTable(rows));
}

async function acceptWithoutRedis(stage: Stage): Promise<void> {
  title(stage, 'The way to Redis is cut: acks go on, from the journal');
  await whenAtRest(stage);
  stage.wayToRedis.cut();
  const eventsBefore = await countEvents(stage);
  await tell(stage, 'refresh');
  await stage.wayToRedis.restore();
  stage.say('  the way is open again; what was accepted arrives …');
  await eventually(
    async () => {
      if ((await countEvents(stage)) !== eventsBefore + 3)
        throw new Error('events accepted without Redis are missing');
    },
    { timeoutMs: settleTimeoutMs },
  );
  stage.say('  all three events are in Postgres');
}

async function showCallsBack(stage: Stage): Promise<void> {
  title(stage, 'The worker calls back into Lean, with our client certificate and app token');
  await whenAtRest(stage);
  const accounts = stage.entity.accounts.length;
  const transactions = stage.entity.accounts.reduce((sum, account) => sum + account.transactions.length, 0);
  if ((await count(stage, 'accounts')) !== accounts) throw new Error('accounts are missing');
  if ((await count(stage, 'transactions')) !== transactions) throw new Error('transactions are missing');
  const classes = new Map<string, number>();
  for (const { method, path } of stage.lean.calls) {
    const call = `${method} ${path.replace(/\/[0-9a-f-]{36}/g, '/…')}`;
    classes.set(call, (classes.get(call) ?? 0) + 1);
  }
  stage.say(textTable([...classes].map(([call, times]) => ({ call, times: String(times) }))));
}

async function showRows(stage: Stage): Promise<void> {
  title(stage, 'What is in Postgres now');
  stage.say(
    textTable(await query(stage, 'accounts order by nickname', 'nickname, account_sub_type, currency, iban')),
  );
  stage.say('');
  stage.say(
    textTable(
      await query(
        stage,
        `balances where balance_type in ('INTERIM_AVAILABLE', 'CLOSING_BOOKED') order by account_id, balance_type limit 6`,
        'left(account_id, 8) as account, balance_type, amount, currency, credit_debit_indicator as indicator',
      ),
    ),
  );
  stage.say('');
  stage.say(
    textTable(
      await query(
        stage,
        'transactions order by booked_at desc nulls last, transaction_id limit 8',
        'booking_date, status, signed_amount, currency, description',
      ),
    ),
  );
}

function title({ say }: Stage, text: string): void {
  say(`\n── ${text}`);
}

/** Sends the story's webhooks, one printed line each, and fails unless each ended as it should. */
async function tell(stage: Stage, story: StoryName): Promise<void> {
  const { url, pki, secret, entity } = stage;
  const report = await playStory(story, {
    url,
    ca: pki.serverCaPem,
    identities: pki,
    secret,
    entity,
    onDelivery: (delivery) => stage.say(`  ${describe(delivery)}`),
  });
  if (!report.ok) throw new Error(`the story ${story} did not end as it should`);
}

function describe({ title: what, record }: StoryDelivery): string {
  const { status, ms, error, reply } = record.attempts.at(-1) ?? {
    status: null,
    ms: 0,
    error: 'not sent',
    reply: null,
  };
  const answer =
    status === null ? `TLS refused (${(error ?? '').split(':', 1)[0]})` : `${status} ${reply ?? ''}`;
  return `${what.padEnd(46)} ${answer} in ${ms} ms`;
}

/** Every event concluded and every sync ended, at least one of them. */
async function whenAtRest(stage: Stage): Promise<void> {
  await eventually(
    async () => {
      const done = await count(stage, "sync_runs where state = 'done'");
      const open = await count(stage, "sync_runs where state in ('waiting', 'running')");
      const events = await count(stage, 'webhook_events where concluded_at is null');
      if (done === 0 || open > 0 || events > 0) throw new Error('the service has not come to rest');
    },
    { timeoutMs: settleTimeoutMs },
  );
}

async function query(stage: Stage, source: string, columns: string): Promise<Record<string, unknown>[]> {
  const [table = '', ...rest] = source.split(' ');
  const { rows } = await sql<Record<string, unknown>>`
    select ${sql.raw(columns)} from ${stage.database.table(table)} ${sql.raw(rest.join(' '))}`.execute(
    stage.database.db,
  );
  return rows;
}

async function count(stage: Stage, table: string): Promise<number> {
  const [row] = await query(stage, table, 'count(*)::int as count');
  return Number(row?.['count']);
}

function countEvents(stage: Stage): Promise<number> {
  return count(stage, 'webhook_events');
}
