// The ways in and out of a deployment along which the canaries are sent: deliveries that are taken and refused, Lean's
// replies, errors of the database. Says nothing about what may be written; the test that uses it searches.
import { sql } from 'kysely';
import { expect } from 'vitest';
import type { SimulatedCustomers } from '../simulator/customers.ts';
import type { Fault } from '../simulator/lean-faults.ts';
import { entityCreated, webhookEvent } from '../simulator/webhook-bodies.ts';
import { refreshBody } from './event-bodies.ts';
import { eventually } from './eventually.ts';
import { connectRaw, send, sign, type Sending } from './lean-sender.ts';
import { readLines } from './log-lines.ts';
import type { Serving, WatchedDeployment } from './watched-deployment.ts';

type CanaryName =
  | 'iban'
  | 'accountNumber'
  | 'name'
  | 'token'
  | 'appToken'
  | 'webhookSecret'
  | 'databasePassword';

export interface Stage {
  readonly deployment: WatchedDeployment;
  /** The first one's account holds the canaries. */
  readonly customers: SimulatedCustomers;
  readonly canaries: Readonly<Record<CanaryName, string>>;
  readonly receiver: Serving;
  /** What callers were answered. */
  readonly replies: string[];
}

const waitMs = 60_000;
const nowText = () => new Date().toISOString();

interface Post extends Omit<Sending, 'url' | 'serverCaPem' | 'secret'> {
  /** False sends no signature but the one that may be among the headers. */
  readonly signed?: boolean;
}

async function post(stage: Stage, { signed = true, ...changes }: Post): Promise<void> {
  const { deployment, canaries, receiver, replies } = stage;
  const { serverCaPem, lean } = deployment.pki;
  const { status, headers, body } = await send({
    url: receiver.url,
    serverCaPem,
    identity: lean.webhookClient,
    ...(signed && { secret: canaries.webhookSecret }),
    ...changes,
  });
  replies.push(`${status} ${JSON.stringify(headers)} ${body}`);
}

function event(type: string, payload: unknown, eventId = `id-${type}`): string {
  return webhookEvent({ eventId, timestamp: nowText(), type, payload }).body;
}

/** Taken and refused, one of each kind. */
export async function sendEverything(stage: Stage): Promise<void> {
  const { canaries, customers, deployment } = stage;
  const everything = {
    iban: canaries.iban,
    name: canaries.name,
    token: canaries.token,
    bban: canaries.accountNumber,
  };
  const text = JSON.stringify(everything);
  const headers = [
    ['X-Iban', canaries.iban],
    ['Authorization', `Bearer ${canaries.token}`],
    ['Cookie', `name=${encodeURIComponent(canaries.name)}`],
    ['User-Agent', canaries.iban],
    ['Content-Type', `text/${canaries.iban}`],
  ] as const;
  const [entity] = customers.entities;
  if (entity !== undefined) {
    await post(stage, {
      headers,
      body: entityCreated(entity, { eventId: 'the-entity', timestamp: nowText() }).body,
    });
  }
  const taken = [
    event('somebody.elses', everything),
    JSON.stringify({ type: 'texts.beside', message: text, payload: [text] }),
    event('entity.created', {
      id: 'entity-refused',
      customer_id: 'customer',
      bank_details: { x: everything },
      ...everything,
    }),
    event('entity.created', { ...everything }, 'without-an-id'),
    event('unstorable', everything),
    event('conflict', everything, 'conflict'),
    event('conflict', { ...everything, more: canaries.name }, 'conflict'),
    event('entity.data.refresh.updated', { entity_id: '', ...everything }, 'bad-refresh'),
    text.slice(0, -1),
    `[${text}]`,
    `${'['.repeat(70)}${text}${']'.repeat(70)}`,
    Buffer.from(text, 'utf16le'),
  ];
  for (const body of taken) for (let times = 0; times < 2; times += 1) await post(stage, { headers, body });

  const query = new URLSearchParams(everything).toString();
  const { otherCustomer } = deployment.pki;
  const signature = (value: string): Post => ({
    headers: [...headers, ['Lean-Signature', value]],
    signed: false,
  });
  const refused: readonly Post[] = [
    signature(sign(text, 'another secret')),
    signature(canaries.token),
    signature(canaries.webhookSecret),
    { headers, signed: false },
    { path: `/webhooks/lean/${canaries.iban}?${query}` },
    { path: `/%zz${canaries.token}` },
    { path: `/webhooks/lean?${query}`, method: 'PUT' },
    { body: text.repeat(1_000) },
    { body: text.repeat(1_000), chunked: true },
  ];
  for (const changes of refused) {
    // A body that is too long may find the connection cut while it is being sent.
    await post(stage, { headers, body: text, ...changes }).catch(() => undefined);
  }
  await post(stage, { headers, body: text, identity: otherCustomer }).catch(() => undefined);
  await sendNoHttp(stage, text);
}

async function sendNoHttp({ deployment, receiver, replies }: Stage, text: string): Promise<void> {
  const { serverCaPem, lean } = deployment.pki;
  for (const bytes of [
    `${text}\r\n\r\n`,
    `POST /webhooks/lean HTTP/1.1\r\nHost: a\r\n${text}\r\n\r\n`,
    `POST /webhooks/lean HTTP/1.1\r\nHost: a\r\nX-A: ${text.repeat(400)}\r\n\r\n`,
    `POST /webhooks/lean HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${text}\r\n`,
  ]) {
    const { socket, received } = await connectRaw({
      url: receiver.url,
      serverCaPem,
      identity: lean.webhookClient,
    });
    socket.end(bytes);
    replies.push(await received);
  }
}

/** Replies of every kind that hold the canaries, and a database that quotes what it refuses. */
export async function callLeanAndFail(
  stage: Stage,
  worker: Serving,
  look: () => Promise<void>,
): Promise<void> {
  const { canaries, customers, deployment } = stage;
  const { lean, database } = deployment;
  const [first, ...others] = customers.entities;
  const faults = faultsHolding(canaries);
  for (const [index, fault] of faults.entries()) {
    lean.faults.add({ fault, path: new RegExp(others[index]?.entityId ?? 'none') });
  }
  for (const { entityId, customerId } of customers.entities.slice(0, faults.length + 1)) {
    await post(stage, { body: refreshBody({ entityId, customerId, timestamp: nowText() }) });
  }
  await eventually(() => expect(lean.faults.size).toBe(0), { timeoutMs: waitMs });
  const refusals = (queue: string) =>
    readLines(worker.process.stdout()).filter(
      ({ fields, text }) => fields['queue'] === queue && text.includes('P0001'),
    );
  await eventually(() => expect(refusals('webhook-events').length).toBeGreaterThan(0), { timeoutMs: waitMs });
  await eventually(() => expect(refusals('lean-sync').length).toBeGreaterThan(0), { timeoutMs: waitMs });
  await look();
  await sql`delete from public.refusals`.execute(database.db);
  await eventually(
    async () => {
      const { rows } = await sql<{ held: number }>`
        select count(*)::int as held from lean.transactions where entity_id = ${first?.entityId ?? ''}`.execute(
        database.db,
      );
      expect(rows[0]?.held).toBeGreaterThan(0);
    },
    { timeoutMs: waitMs },
  );
}

/** Some may be met again and again: 429 says for how long. */
function faultsHolding({ iban, name, token, accountNumber }: Stage['canaries']): Fault[] {
  const text = JSON.stringify({ iban, name, token, accountNumber });
  const message = `cannot read ${text}`;
  const body = JSON.stringify({
    status: iban,
    message,
    status_detail: { granular_status_code: iban, status_additional_info: text },
    payload: [text],
    reconnect_id: name,
  });
  const reply = (httpStatus: number) => ({ kind: 'reply', httpStatus, body }) as const;
  return [
    { kind: 'error', httpStatus: 400, status: 'INVALID_PARAMETERS', message },
    { kind: 'error', httpStatus: 404, status: 'UNKNOWN_ENTITY', message },
    { kind: 'error', httpStatus: 503, status: 'INTERNAL_SERVER_ERROR', message },
    { kind: 'reply', httpStatus: 500, body: `<html>${text}</html>` },
    { kind: 'reply', httpStatus: 200, body: text.slice(0, -1) },
    { kind: 'reply', httpStatus: 429, body, headers: { 'retry-after': '1' } },
    { kind: 'failed', granularStatusCode: iban },
    reply(200),
    reply(400),
    reply(403),
    { kind: 'reset' },
  ];
}

/** What triggers of an operator's own could say: errors that hold the row, and here the canaries as well. */
export async function quoteRefusedRows({ deployment: { database }, canaries }: Stage): Promise<void> {
  const says = `'${JSON.stringify(canaries)}'`;
  await sql
    .raw(
      `create table public.refusals (of_table text, says text);
      grant select on public.refusals to public;
      insert into public.refusals
        values ('entities', ${says}), ('transactions', ${says}), ('webhook_events', ${says});
      create function public.refuse() returns trigger language plpgsql as $$
      declare said text := (select says from public.refusals where of_table = tg_table_name);
      begin
        if said is not null then
          raise exception 'refused % %', said, new using detail = said, hint = said,
            errcode = case tg_table_name when 'webhook_events' then '22P02' else 'P0001' end;
        end if;
        return new;
      end $$;
      create trigger refuse before insert on lean.entities for each row
        when (new.entity_id = 'entity-refused') execute function public.refuse();
      create trigger refuse before insert on lean.transactions for each row execute function public.refuse();
      create trigger refuse before insert on lean.webhook_events for each row
        when (new.type = 'unstorable') execute function public.refuse();`,
    )
    .execute(database.db);
}
