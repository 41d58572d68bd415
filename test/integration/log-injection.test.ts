// Whoever can send something tries to write into the log: through headers, addresses, certificates, events, Lean's
// replies and the database's errors. Every line of both processes stays one line that says who wrote it.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateCustomers } from '../simulator/customers.ts';
import { webhookEvent } from '../simulator/webhook-bodies.ts';
import { engines } from '../support/engines.ts';
import { refreshBody } from '../support/event-bodies.ts';
import { eventually } from '../support/eventually.ts';
import { connectRaw, send } from '../support/lean-sender.ts';
import { deceivingLines, readLines, type ReadLine } from '../support/log-lines.ts';
import { createAuthority, createPki, issueLeaf, type Identity, type Issuer } from '../support/pki.ts';
import {
  randomSecrets,
  startWatchedDeployment,
  type Serving,
  type WatchedDeployment,
} from '../support/watched-deployment.ts';

const settleMs = 60_000;
/** A line of its own, a screen cleared, text turned around, a window's title, marks nobody sees. */
const tricks = [
  '\r\n{"level":"error","msg":"forged","pid":1}\r\n',
  '\u001b[2J\u001b[31mforged',
  'a\u202edegrof\u2066b\u2069',
  '\u0085\u009b2Jforged\u0090',
  '\u2028forged\u2029',
  'fo\u200brg\u200ded\u00ad\ufeff',
  `forged${'x'.repeat(20_000)}`,
  '\ud800forged',
];
/** Of those, what one line of HTTP can carry: raw bytes beyond ASCII, as UTF-8 and as single bytes. */
const headerTricks = ['\u202eforged\u200b', '\u0085\u009b2Jforged', '{"msg":"forged"}', 'x'.repeat(9_000)];
const headerNames = [
  'user-agent',
  'content-type',
  'lean-signature',
  'x-forwarded-for',
  'forwarded',
  'cookie',
];

const customers = generateCustomers({ seed: 'log-injection', entities: 12, accounts: 1, transactions: 2 });
const secrets = randomSecrets();

let deployment: WatchedDeployment;
let oddRoot: Issuer;
let receiver: Serving;
let worker: Serving;

const linesOf = ({ process }: Serving): ReadLine[] => readLines(process.stdout());
const said = (serving: Serving, msg: string) =>
  linesOf(serving).flatMap(({ fields }) => (fields['msg'] === msg ? [fields] : []));

function deliver(body: Uint8Array | string, identity: Identity = deployment.pki.lean.webhookClient) {
  const { serverCaPem } = deployment.pki;
  return send({ url: receiver.url, serverCaPem, identity, secret: secrets.webhookSecret, body });
}

/** Over Lean's own connection, whatever the bytes are; done when the receiver has closed. */
async function sendRaw(head: readonly string[], encoding: BufferEncoding): Promise<void> {
  const { serverCaPem, lean } = deployment.pki;
  const target = { url: receiver.url, serverCaPem, identity: lean.webhookClient };
  const { socket, received } = await connectRaw(target);
  socket.end(Buffer.from(`${head.join('\r\n')}\r\nConnection: close\r\n\r\n`, encoding));
  await received;
}

describe.skipIf(!engines.canStart.redis || !engines.canStart.postgres)('no line of the log is forged', () => {
  beforeAll(async () => {
    const pki = await createPki();
    oddRoot = await createAuthority({ name: 'CN=forged\u202e\u200b root, O=\u0085\u001b[2J' });
    const leanChainPem = `${pki.leanChainPem}${oddRoot.certificate.toString('pem').trim()}\n`;
    deployment = await startWatchedDeployment({ customers, secrets, pki: { ...pki, leanChainPem } });
    receiver = await deployment.start('receiver');
    worker = await deployment.start('worker');
  }, settleMs);
  afterAll(() => deployment.close());

  it('by headers, methods and addresses of requests', { timeout: settleMs }, async () => {
    const post = ['POST /webhooks/lean HTTP/1.1', 'Host: a', 'Content-Length: 0'];
    for (const encoding of ['utf8', 'latin1'] as const) {
      for (const trick of headerTricks) {
        for (const name of headerNames) await sendRaw([...post, `${name}: ${trick}`], encoding);
        await sendRaw([post[0] ?? '', `Host: ${trick}`, 'Content-Length: 0'], encoding);
        await sendRaw([`POST /${trick} HTTP/1.1`, 'Host: a'], encoding);
        await sendRaw([`${trick} / HTTP/1.1`, 'Host: a'], encoding);
      }
    }
    for (const trick of tricks) {
      await sendRaw([`POST /${encodeURIComponent(trick.toWellFormed())} HTTP/1.1`, 'Host: a'], 'latin1');
      await sendRaw([...post, `X-A: ${trick}`], 'utf8');
    }
    await eventually(() => expect(said(receiver, 'delivery').length).toBeGreaterThan(50));
    expect(said(receiver, 'connection_refused').length).toBeGreaterThan(0);
    expect(linesOf(receiver).filter(({ text }) => /forged(?!.* root)/.test(text))).toEqual([]);
  });

  it('by the names in certificates, of callers and of authorities', { timeout: settleMs }, async () => {
    const { leanIntermediate } = deployment.pki.issuers;
    const texts = ['a\r\n{"level":60}.example', '\u001b[2J.example', `${'x'.repeat(5_000)}.example`, 'a b'];
    const shared = { eku: ['clientAuth' as const], commonName: 'forged\u202e\u2028\u0000\r\n' };
    for (const issuer of [leanIntermediate, oddRoot]) {
      for (const text of texts) {
        const sans = [`dns:${text}`, `uri:https://${text}`];
        const identity = await issueLeaf({ ...shared, issuer, sans });
        await deliver('{}', identity).catch(() => undefined);
      }
    }
    await eventually(() =>
      expect(said(receiver, 'connection_refused').length).toBeGreaterThan(2 * texts.length),
    );
    const roots = said(receiver, 'trust_anchor').map(({ subject }) => String(subject));
    expect(roots.join()).toContain('forged\\u{202e}');
  });

  it('by ids, types and texts of events', { timeout: settleMs }, async () => {
    for (const trick of tricks) {
      const timestamp = new Date().toISOString();
      const envelope = { eventId: trick, timestamp };
      const payload = { id: trick, entity_id: trick, customer_id: trick, app_user_id: trick };
      await deliver(webhookEvent({ ...envelope, type: trick.slice(0, 200), payload }).body);
      await deliver(
        webhookEvent({ ...envelope, eventId: `${trick}2`, type: 'entity.created', payload }).body,
      );
      await deliver(refreshBody({ entityId: trick.slice(0, 150), accountId: trick, timestamp }));
      await deliver(trick);
    }
    await deliver(JSON.stringify({ type: 'entity.updated', payload: { id: 'odd', permissions: tricks } }));
    await eventually(async () => expect(await openEvents()).toBe(0), { timeoutMs: settleMs });
    expect(said(worker, 'job').length).toBeGreaterThan(tricks.length);
  });

  it("by Lean's replies and by the database's errors", { timeout: settleMs }, async () => {
    const { lean, database } = deployment;
    for (const [index, trick] of [...tricks, ...tricks].entries()) {
      const httpStatus = [400, 401, 409, 500, 200][index % 5] ?? 500;
      const error = { status: trick.slice(0, 60), message: trick, results_id: trick, correlation_id: trick };
      const headers = { 'lean-trace-id': '\u0085\u009b2Jforged', 'retry-after': '\u0085', date: '\u009b' };
      const body = JSON.stringify({ ...error, status_detail: { granular_status_code: trick } });
      lean.faults.add({ fault: { kind: 'reply', httpStatus, body, headers } });
    }
    await sql
      .raw(
        `create function lean.refuse() returns trigger language plpgsql as $$ begin
          raise exception E'\\r\\n{"msg":"forged"}\\u202e' using detail = E'\\u001b[2Jforged', errcode = 'P0001'; end $$;
         create trigger refuse before insert on lean.accounts for each row execute function lean.refuse()`,
      )
      .execute(database.db);
    for (const { entityId, customerId } of customers.entities) {
      await deliver(refreshBody({ entityId, customerId, timestamp: new Date().toISOString() }));
    }
    await eventually(() => {
      expect(said(worker, 'lean_call').length).toBeGreaterThanOrEqual(customers.entities.length);
    });
    lean.faults.clear();
    await eventually(
      () =>
        expect(said(worker, 'job').map(({ error }) => error)).toContainEqual(
          expect.stringContaining('P0001'),
        ),
      { timeoutMs: settleMs },
    );
  });

  it('by what Redis and Postgres say when they go away', { timeout: 3 * settleMs }, async () => {
    const within = { timeoutMs: settleMs };
    await deployment.redis.kill('SIGKILL');
    await eventually(() => expect(said(worker, 'queue_state').length).toBeGreaterThan(0), within);
    await deliver('{"type":"odd.body"}');
    await eventually(() => expect(said(receiver, 'forward').length).toBeGreaterThan(0), within);
    await deployment.redis.restart();
    // A worker that has no session at this moment loses none.
    await eventually(async () => {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'service'`.execute(
        deployment.database.db,
      );
      expect(said(worker, 'database_state').length).toBeGreaterThan(0);
    }, within);
  });

  it('and every line of both is JSON of its process, short and without a character that is no text', () => {
    for (const serving of [receiver, worker]) {
      expect(deceivingLines(linesOf(serving), serving.process.pid)).toEqual([]);
      expect(serving.process.stderr()).toBe('');
    }
    // What was tried has reached the log, spelled out.
    expect(linesOf(receiver).some(({ text }) => text.includes(String.raw`\\u{202e}`))).toBe(true);
  });
});

async function openEvents(): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    select count(*)::int as open from lean.webhook_events where concluded_at is null`.execute(
    deployment.database.db,
  );
  return rows[0]?.open ?? -1;
}
