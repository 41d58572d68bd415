// `npm run simulate -- acceptance`: plays Lean for a deployment of somebody's own and compares its tables with what Lean
// knows. Sandbox installations only; touches no row but those of its own customers, and removes them only when asked.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { sha256Hex } from '../../src/core/event-key.ts';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { eraseCustomer } from '../../src/store/erase-customer.ts';
import {
  compareTables,
  expectedEvents,
  expectedRows,
  heldEvents,
  heldRows,
  type FurtherKind,
  type RowsByTable,
  type SentEvent,
} from './acceptance-compare.ts';
import { planAcceptance, type AcceptancePlan } from './acceptance-plan.ts';
import { reportAcceptance } from './acceptance-report.ts';
import { createRealClock } from './clock.ts';
import type { Region } from './customers.ts';
import {
  developmentIdentities,
  type DevelopmentIdentities,
  type DevelopmentSetup,
} from './dev-certificates.ts';
import { customersOf, readState } from './development-state.ts';
import { startLeanServer, type LeanServer } from './lean-server.ts';
import { webhookEvent, type WebhookEvent } from './webhook-bodies.ts';
import { createWebhookSender, type DeliveryRecord, type WebhookSender } from './webhook-sender.ts';

export interface AcceptanceWish {
  readonly setup: DevelopmentSetup;
  /** Where the other stories' customers are kept: Lean goes on knowing them. */
  readonly dataDir: string;
  readonly target: string;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly webhooks: number;
  /** Bound on the whole, sending included. */
  readonly seconds: number;
  /** What SYNC_DATA names beyond accounts, balances and transactions. */
  readonly kinds: readonly FurtherKind[];
  readonly erase: boolean;
  readonly say: (line: string) => void;
}

/** The run cannot begin; its message says what to change. */
export class AcceptanceRefused extends Error {
  override readonly name = 'AcceptanceRefused';
}

const connections = 8;
const lookEveryMs = 500;
const progressEveryMs = 5_000;
/** Lean's first three repeats, a minute of its schedule in a second. */
const repeats = { clock: createRealClock({ speed: 60 }), retryMinutes: [1, 2, 5] };

/** The exit code: 0 everything as Lean has it, 1 something differs. Throws AcceptanceRefused. */
export async function runAcceptance(wish: AcceptanceWish): Promise<number> {
  const database = openDatabase({
    schema: wish.schema,
    dialect: postgresDialect({
      url: wish.databaseUrl,
      poolSize: 2,
      applicationName: 'lean-acceptance',
      onIdleError: () => undefined,
    }),
  });
  try {
    const region = await checkInstallation(wish, database);
    const seed = `acceptance-${randomBytes(6).toString('hex')}`;
    const plan = planAcceptance({ seed, webhooks: wish.webhooks, region, nowMs: Date.now() });
    const identities = await developmentIdentities(wish.setup);
    const lean = await serve({ wish, plan, identities });
    try {
      return await play({
        wish,
        database,
        plan,
        identities,
        lean,
        endsAtMs: Date.now() + wish.seconds * 1_000,
      });
    } finally {
      await lean.close();
    }
  } finally {
    await database.close();
  }
}

/** Throws AcceptanceRefused for anything but a sandbox installation of the simulator's own application. */
async function checkInstallation({ setup }: AcceptanceWish, database: Database): Promise<Region> {
  const row = await database.db
    .selectFrom('installation')
    .select(['environment', 'region', 'app_token_sha256'])
    .executeTakeFirst()
    .catch((error: unknown) => {
      const words = error instanceof Error ? error.message : String(error);
      throw new AcceptanceRefused(`schema ${database.schema} cannot be read: ${words}`);
    });
  if (row === undefined)
    throw new AcceptanceRefused(`schema ${database.schema} belongs to nobody yet: run npm run migrate`);
  if (row.environment !== 'sandbox')
    throw new AcceptanceRefused(
      `schema ${database.schema} is a ${row.environment} one: nothing is played there`,
    );
  if (row.app_token_sha256 !== sha256Hex(setup.appToken))
    throw new AcceptanceRefused(
      `schema ${database.schema} is another Lean application's: migrate one of its own with the settings of --print-env`,
    );
  return row.region === 'sa' ? 'sa' : 'ae';
}

interface Serving {
  readonly wish: AcceptanceWish;
  readonly plan: AcceptancePlan;
  readonly identities: DevelopmentIdentities;
}

async function serve({ wish, plan, identities }: Serving): Promise<LeanServer> {
  const { setup, dataDir } = wish;
  const others = customersOf(await readState(dataDir));
  const { seed, entities } = plan.customers;
  try {
    return await startLeanServer({
      pki: identities,
      customers: { seed, entities: [...entities, ...others.entities] },
      appToken: setup.appToken,
      requireClientCertificate: true,
      port: setup.simulatorPort,
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw new AcceptanceRefused(`port ${setup.simulatorPort} is taken: end the simulator that runs there`);
    throw error;
  }
}

interface Playing extends Serving {
  readonly database: Database;
  readonly lean: LeanServer;
  readonly endsAtMs: number;
}

async function play(playing: Playing): Promise<number> {
  const { wish, database, plan, identities, lean } = playing;
  const { say, kinds, target, setup } = wish;
  const hand = { url: target, ca: identities.serverCaPem, connections, ...repeats };
  const sender = createWebhookSender({
    ...hand,
    identity: identities.lean.webhookClient,
    secret: setup.secret,
  });
  const forger = createWebhookSender({
    ...hand,
    identity: identities.lean.webhookClient,
    secret: 'not the secret',
    retryMinutes: [],
  });
  try {
    await checkTarget(sender, target);
    const entityIds = plan.customers.entities.map(({ entityId }) => entityId);
    say(`Lean's API is played at ${lean.url} for ${entityIds.length} customers of this run`);
    const first = expectedRows(plan.customers, { kinds });
    const [forged] = await Promise.all([
      forger.send(plan.forged),
      sender.sendAll(plan.first),
      Promise.all(plan.burst.map((event) => sender.send(event))),
    ]);
    const typeOf = typesOf([...plan.first, ...plan.burst]);
    const settling = { ...playing, sender, entityIds };
    let isSettled = await settle(settling);
    const second = plan.second(Date.now());
    for (const { eventId, type } of second) typeOf.set(eventId, type);
    await sender.sendAll(second);
    isSettled = (await settle(settling)) && isSettled;
    const events = sentEvents(sender.history, typeOf);
    const expected = { ...expectedRows(plan.customers, { kinds, before: first }), ...expectedEvents(events) };
    const held: RowsByTable = {
      ...(await heldRows(database, { entityIds, kinds })),
      ...(await heldEvents(database, { events, forgedId: plan.forged.eventId })),
    };
    const tables = compareTables(expected, held);
    const { history } = sender;
    const isRight = reportAcceptance({ say, calls: lean.calls.length, history, forged, tables, isSettled });
    await endWith(playing);
    return isRight ? 0 : 1;
  } finally {
    await Promise.all([sender.close(), forger.close()]);
  }
}

/** Throws AcceptanceRefused where a well-made delivery is not taken. */
async function checkTarget(sender: WebhookSender, target: string): Promise<void> {
  const timestamp = new Date().toISOString().replace('Z', '000001Z');
  const eventId = `acceptance-${randomBytes(8).toString('hex')}`;
  const probe = webhookEvent({ eventId, timestamp, type: 'acceptance.probe', payload: {} });
  const { acked, attempts } = await sender.send(probe);
  if (acked) return;
  const last = attempts.at(-1);
  const answer = last?.status == null ? (last?.error ?? 'no answer') : `${last.status} ${last.reply ?? ''}`;
  throw new AcceptanceRefused(
    `${target} does not take a delivery of this simulator (${answer}): give it the settings of --print-env`,
  );
}

const typesOf = (events: readonly WebhookEvent[]) =>
  new Map(events.map(({ eventId, type }) => [eventId, type]));

function sentEvents(
  history: readonly DeliveryRecord[],
  typeOf: ReadonlyMap<string, string>,
): readonly SentEvent[] {
  const records = Map.groupBy(history, ({ eventId }) => eventId);
  return [...records].map(([eventId, sent]) => {
    const attempts = sent.flatMap((record) => record.attempts);
    const isCertain = attempts.every(({ status }) => status !== null && status !== 503);
    const acknowledged = isCertain ? attempts.filter(({ status }) => status === 200).length : null;
    return { eventId, type: typeOf.get(eventId) ?? 'acceptance.probe', acknowledged };
  });
}

interface Settling extends Playing {
  readonly sender: WebhookSender;
  readonly entityIds: readonly string[];
}

/** Until every acknowledged event is concluded, every sync of theirs closed and every change numbered. False: no time left. */
async function settle({ wish, database, lean, sender, entityIds, endsAtMs }: Settling): Promise<boolean> {
  const ids = [...new Set(sender.history.filter(({ acked }) => acked).map(({ eventId }) => eventId))];
  let saidAtMs = Date.now();
  for (;;) {
    const { rows } = await sql<{ concluded: number; runs: number; unnumbered: number }>`select
      (select count(*)::int from ${database.table('webhook_events')}
        where event_id = any(${ids}::text[]) and concluded_at is not null) as concluded,
      (select count(*)::int from ${database.table('sync_runs')}
        where entity_id = any(${entityIds}::text[]) and state in ('waiting', 'running')) as runs,
      (select count(*)::int from ${database.table('changes')}
        where entity_id = any(${entityIds}::text[]) and position is null) as unnumbered`.execute(database.db);
    const { concluded = 0, runs = 0, unnumbered = 0 } = rows[0] ?? {};
    if (concluded === ids.length && runs + unnumbered === 0) return true;
    if (Date.now() >= endsAtMs) return false;
    if (Date.now() - saidAtMs >= progressEveryMs) {
      saidAtMs = Date.now();
      wish.say(
        `  ${concluded} of ${ids.length} events concluded, ${runs} syncs open, ${lean.calls.length} calls to Lean`,
      );
    }
    await delay(lookEveryMs);
  }
}

async function endWith({ wish, database, plan }: Playing): Promise<void> {
  const customerIds = plan.customers.entities.map(({ customerId }) => customerId);
  const [one = ''] = customerIds;
  if (!wish.erase) {
    wish.say(`\nThis run's customers stay; --erase erases them, or one by one: npm run ops -- erase ${one}`);
    return;
  }
  let erased = 0;
  for (const customerId of customerIds) {
    const { rows } = await eraseCustomer(database, {
      customerId,
      now: new Date(),
      operator: 'acceptance',
      onProgress: () => undefined,
    });
    erased += Object.values(rows).reduce((sum, count) => sum + count, 0);
  }
  wish.say(`\nerased: ${customerIds.length} customers of this run, ${erased} rows`);
}
