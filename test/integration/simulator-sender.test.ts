import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { createRealClock, createVirtualClock } from '../simulator/clock.ts';
import { generateCustomers } from '../simulator/customers.ts';
import {
  developmentEnvironment,
  developmentIdentities,
  developmentSetup,
} from '../simulator/dev-certificates.ts';
import { playStory } from '../simulator/stories.ts';
import {
  createWebhookSender,
  leanRetryMinutes,
  signBody,
  type WebhookLoss,
} from '../simulator/webhook-sender.ts';

const secret = 'secret-of-tests';

/** A receiver as strict as ours, kept small: certificate by name, signature over the raw body. */
interface Receiver {
  url: string;
  bodies: string[];
  /** What the next authentic deliveries are answered; 0 never answers. Empty: 200. */
  answers: number[];
}

let pki: Pki;
let server: Server;
let receiver: Receiver;

beforeEach(async () => {
  pki = await testPki();
  const bodies: string[] = [];
  const answers: number[] = [];
  server = createServer({
    cert: pki.receiverServer.chainPem,
    key: pki.receiverServer.keyPem,
    ca: pki.leanChainPem,
    requestCert: true,
    rejectUnauthorized: true,
  });
  server.on('request', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const names =
        request.socket instanceof TLSSocket ? request.socket.getPeerCertificate().subjectaltname : '';
      if (names !== 'DNS:webhooks.leantech.me') return response.writeHead(403).end();
      if (request.headers['lean-signature'] !== signBody(body, secret)) return response.writeHead(401).end();
      bodies.push(body);
      const answer = answers.shift() ?? 200;
      return answer === 0 ? response : response.writeHead(answer).end('{"outcome":"accepted"}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  receiver = { url: `https://localhost:${port}/webhooks/lean`, bodies, answers };
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

describe('the webhook sender', () => {
  it("repeats at Lean's minutes until it is answered 200, and then stops", async () => {
    const clock = createVirtualClock({ start: Date.parse('2026-05-13T00:00:00Z') });
    const sender = senderOf({ clock });
    receiver.answers.push(503, 202, 301);
    const sent = sender.send({ eventId: 'one', body: '{"a":1}' });
    for (const minutes of [1, 1, 3]) {
      await eventually(() => expect(clock.waiting).toBe(1));
      clock.advance(minutes * 60_000);
    }
    const { attempts, acked } = await sent;
    expect(acked).toBe(true);
    expect(attempts.map(({ at, status }) => `${at.slice(11, 16)} ${status}`)).toEqual([
      '00:00 503',
      '00:01 202',
      '00:02 301',
      '00:05 200',
    ]);
    expect(receiver.bodies).toEqual(Array.from({ length: 4 }, () => '{"a":1}'));
    await sender.close();
  });

  it('gives an event up after three hours and seven attempts', async () => {
    const clock = createVirtualClock({ start: Date.parse('2026-05-13T00:00:00Z') });
    const sender = senderOf({ clock });
    receiver.answers.push(500, 500, 500, 500, 500, 500, 500);
    const sent = sender.send({ eventId: 'one', body: '{}' });
    const pauses = leanRetryMinutes.map(
      (minutes, position) => minutes - (leanRetryMinutes[position - 1] ?? 0),
    );
    for (const minutes of pauses) {
      await eventually(() => expect(clock.waiting).toBe(1));
      clock.advance(minutes * 60_000);
    }
    const { attempts, acked } = await sent;
    expect(acked).toBe(false);
    expect(attempts).toHaveLength(7);
    expect(attempts.at(-1)?.at).toBe('2026-05-13T03:00:00.000Z');
    await sender.close();
  });

  it('counts no answer in time as a failure', async () => {
    const sender = senderOf({ timeoutMs: 100, clock: createRealClock({ speed: 6000 }) });
    receiver.answers.push(0);
    const { attempts, acked } = await sender.send({ eventId: 'one', body: '{}' });
    expect(attempts.map(({ status }) => status)).toEqual([null, 200]);
    expect(acked).toBe(true);
    await sender.close();
  });

  it('keeps a record of every delivery, many at a time', async () => {
    const sender = senderOf({});
    const events = Array.from({ length: 40 }, (_, position) => ({
      eventId: `e${position}`,
      body: `{"n":${position}}`,
    }));
    const records = await sender.sendAll(events);
    expect(records).toHaveLength(40);
    expect(sender.history.every(({ acked }) => acked)).toBe(true);
    expect(receiver.bodies.toSorted()).toEqual(events.map(({ body }) => body).toSorted());
    await sender.close();
  });

  it('never sends what is lost, and says so', async () => {
    const sender = senderOf({ loss: { seed: 'lost', rate: 0, types: { 'entity.created': 1 } } });
    const records = await sender.sendAll([
      { eventId: 'one', type: 'entity.created', body: '{"n":1}' },
      { eventId: 'two', type: 'entity.updated', body: '{"n":2}' },
    ]);
    expect(records.map(({ lost, acked, attempts }) => [lost, acked, attempts.length])).toEqual(
      expect.arrayContaining([
        [true, false, 0],
        [false, true, 1],
      ]),
    );
    expect(receiver.bodies).toEqual(['{"n":2}']);
    await sender.close();
  });

  it('ends what it waits for when it is closed', async () => {
    const clock = createVirtualClock();
    const sender = senderOf({ clock });
    receiver.answers.push(500);
    const sent = sender.send({ eventId: 'one', body: '{}' });
    await eventually(() => expect(clock.waiting).toBe(1));
    await sender.close();
    expect(await sent).toMatchObject({ acked: false });
  });
});

describe('stories', () => {
  it.each(['link-bank', 'refresh', 'revoke', 'forge', 'duplicate'] as const)(
    '%s ends as it should',
    async (name) => {
      const entity = generateCustomers({ seed: name, entities: 1 }).entities[0];
      if (!entity) throw new Error('no entity');
      const stage = { url: receiver.url, ca: pki.serverCaPem, identities: pki, secret, entity };
      const report = await playStory(name, stage);
      expect(report.deliveries.filter(({ asExpected }) => !asExpected)).toEqual([]);
      expect(receiver.bodies).toHaveLength(
        { 'link-bank': 4, refresh: 3, revoke: 1, forge: 0, duplicate: 7 }[name],
      );
      expect(new Set(receiver.bodies).size).toBe(name === 'duplicate' ? 1 : receiver.bodies.length);
    },
  );

  it('take a service that is not there for a failure, not for a refusal', async () => {
    const entity = generateCustomers({ seed: 'absent', entities: 1 }).entities[0];
    if (!entity) throw new Error('no entity');
    const stage = { url: 'https://127.0.0.1:1/', ca: pki.serverCaPem, identities: pki, secret, entity };
    expect(await playStory('forge', stage)).toMatchObject({ ok: false });
  });
});

describe('the development setup', () => {
  it('is made once when several processes start together, and read back whole', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'lean-dev-'));
    const [one, ...others] = await Promise.all([
      developmentSetup(dir),
      developmentSetup(dir),
      developmentSetup(dir),
    ]);
    for (const other of others) expect(other).toEqual(one);
    expect(await readdir(dir)).toEqual(['setup']);
    expect(await developmentSetup(dir)).toEqual(one);
    const identities = await developmentIdentities(one);
    expect(identities.lean.webhookClient.chainPem.startsWith(identities.lean.webhookClient.certPem)).toBe(
      true,
    );
    expect(developmentEnvironment(one)).toMatchObject({
      LEAN_API_URL: `https://127.0.0.1:${one.simulatorPort}`,
    });
    await rm(dir, { recursive: true });
  });
});

function senderOf(options: {
  clock?: ReturnType<typeof createRealClock>;
  timeoutMs?: number;
  loss?: WebhookLoss;
}) {
  return createWebhookSender({
    url: receiver.url,
    identity: pki.lean.webhookClient,
    ca: pki.serverCaPem,
    secret,
    ...options,
  });
}
