// Who gets past the receiver in each mode of VERIFY: Lean, and nobody else.
import { Agent } from 'node:https';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { send, sign, type Reply, type Sending } from '../support/lean-sender.ts';
import { issueLeaf, spkiPin, testPki, type Identity, type Pki } from '../support/pki.ts';
import {
  fromLean,
  startTestServer,
  testSecret,
  type TestServer,
  type VerifyMode,
} from '../support/receiver-server.ts';

let pki: Pki;
const open: TestServer[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(
  mode: VerifyMode,
  options: Partial<Parameters<typeof startTestServer>[0]> = {},
): Promise<TestServer> {
  const server = await startTestServer({ mode, pki, ...options });
  open.push(server);
  return server;
}

const deliver = (server: TestServer, changes: Partial<Sending> = {}) => send(fromLean(server, pki, changes));

/** The status and code of an answer, or `refused` when the connection ended without one. */
async function outcomeOf(reply: Promise<Reply>): Promise<string> {
  try {
    const { status, body } = await reply;
    return `${status} ${body}`;
  } catch {
    return 'refused';
  }
}

describe.each<VerifyMode>(['certificate', 'certificate+signature'])('VERIFY=%s', (mode) => {
  it.each<[string, () => Promise<Identity | undefined> | Identity | undefined, string]>([
    ["Lean's own certificate gets in", () => pki.lean.webhookClient, '200 {"outcome":"accepted"}'],
    ['no certificate is refused', () => undefined, 'refused'],
    ["another authority's copy of Lean's certificate is refused", () => pki.rogue, 'refused'],
    [
      "another customer's certificate is refused",
      () => pki.otherCustomer,
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'our own certificate of the same chain is refused',
      () => pki.application,
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'a name that only begins like ours is refused',
      () => leanLeaf({ sans: ['dns:webhooks.leantech.me.evil.example'] }),
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'our name inside a URI is refused',
      () => leanLeaf({ sans: ['uri:https://evil.example/,DNS:webhooks.leantech.me'] }),
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'our name as common name only is refused',
      () => leanLeaf({ sans: [], commonName: 'webhooks.leantech.me' }),
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'a wildcard is refused',
      () => leanLeaf({ sans: ['dns:*.leantech.me'] }),
      '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    ],
    [
      'an expired certificate is refused',
      () => leanLeaf({ sans: ['dns:webhooks.leantech.me'], notAfter: new Date(Date.now() - 1_000) }),
      'refused',
    ],
    [
      'a certificate for servers only is refused',
      () => leanLeaf({ sans: ['dns:webhooks.leantech.me'], eku: ['serverAuth'] }),
      'refused',
    ],
  ])('%s', async (_name, identity, outcome) => {
    const server = await start(mode);
    expect(await outcomeOf(deliver(server, { identity: await identity() }))).toBe(outcome);
    expect(server.kept).toHaveLength(outcome.startsWith('200') ? 1 : 0);
  });

  it('a pinned key gets in whatever its name, and the right name with another key does not', async () => {
    const value = spkiPin(pki.otherCustomer.certPem).slice('sha256/'.length);
    const server = await start(mode, { pins: [{ kind: 'spki', value }] });
    expect(await outcomeOf(deliver(server, { identity: pki.otherCustomer }))).toMatch(/^200/);
    expect(await outcomeOf(deliver(server))).toMatch(/^403/);
  });

  it('a certificate that expires on an open connection is refused from then on', async () => {
    const identity = await leanLeaf({
      sans: ['dns:webhooks.leantech.me'],
      notAfter: new Date(Date.now() + 4_000),
    });
    const server = await start(mode);
    const agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      ca: pki.serverCaPem,
      cert: identity.chainPem,
      key: identity.keyPem,
    });
    expect(await outcomeOf(deliver(server, { agent }))).toMatch(/^200/);
    await expect.poll(() => outcomeOf(deliver(server, { agent }))).toBe('401 {"code":"CERTIFICATE_INVALID"}');
    agent.destroy();
  });
});

function leanLeaf(leaf: Partial<Parameters<typeof issueLeaf>[0]>): Promise<Identity> {
  return issueLeaf({ issuer: pki.issuers.leanIntermediate, sans: [], eku: ['clientAuth'], ...leaf });
}

describe('VERIFY=signature', () => {
  it('asks for no certificate and lets a signed delivery in, whoever calls', async () => {
    const server = await start('signature');
    for (const identity of [undefined, pki.rogue, pki.otherCustomer]) {
      expect(await outcomeOf(deliver(server, { identity }))).toMatch(/^200/);
    }
    expect(server.kept.map(({ proof }) => proof)).toEqual(['signature', 'signature', 'signature']);
  });

  it.each<[string, (good: string) => readonly string[], string]>([
    ['missing', () => [], 'SIGNATURE_MISSING'],
    ['wrong', (good) => [good.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))], 'SIGNATURE_INVALID'],
    ['doubled', (good) => [good, good], 'SIGNATURE_INVALID'],
    ['doubled with a wrong one first', (good) => [sign('', 'other'), good], 'SIGNATURE_INVALID'],
    ['without its prefix', (good) => [good.slice('sha512='.length)], 'SIGNATURE_INVALID'],
    ['in capitals', (good) => [good.toUpperCase()], 'SIGNATURE_INVALID'],
    ['empty', () => [''], 'SIGNATURE_INVALID'],
  ])('a signature that is %s is refused', async (_how, values, code) => {
    const server = await start('signature');
    const { secret: _none, ...unsigned } = fromLean(server, pki, { body: 'bytes' });
    const headers = values(sign('bytes', testSecret)).map((value) => ['lean-signature', value] as const);
    expect(await send({ ...unsigned, headers })).toMatchObject({ status: 401, body: `{"code":"${code}"}` });
    expect(server.kept).toEqual([]);
  });

  it('takes any secret in force and follows their rotation', async () => {
    let secrets = ['old'];
    const server = await start('signature', { secrets: () => secrets });
    expect(await outcomeOf(deliver(server, { secret: 'new' }))).toMatch(/^401/);
    secrets = ['new', 'old'];
    expect(await outcomeOf(deliver(server, { secret: 'new' }))).toMatch(/^200/);
    expect(await outcomeOf(deliver(server, { secret: 'old' }))).toMatch(/^200/);
    secrets = ['new'];
    expect(await outcomeOf(deliver(server, { secret: 'old' }))).toMatch(/^401/);
  });

  it('works over plain HTTP behind a proxy that ended TLS', async () => {
    const server = await start('signature', { pki: null });
    expect(server.url).toMatch(/^http:/);
    expect(await outcomeOf(deliver(server))).toMatch(/^200/);
    expect(await outcomeOf(deliver(server, { secret: 'wrong' }))).toMatch(/^401/);
    expect(server.kept).toHaveLength(1);
  });
});

describe('what a kept delivery proves', () => {
  it.each<[VerifyMode, string]>([
    ['certificate', 'certificate'],
    ['signature', 'signature'],
    ['certificate+signature', 'signature'],
    ['none', 'none'],
  ])('VERIFY=%s keeps the proof %s', async (mode, proof) => {
    const server = await start(mode);
    expect(await outcomeOf(deliver(server))).toMatch(/^200/);
    expect(server.kept).toMatchObject([{ proof }]);
  });
});

const counted = async ({ metrics }: TestServer) =>
  (await metrics.refusedAsLean.get()).values.map(({ labels, value }) => [labels['outcome'], value]);

describe('a refused delivery that looks like Lean', () => {
  it("is counted by its code: Lean's certificate with a wrong or no signature, another name of its chain", async () => {
    const server = await start('certificate+signature', { bodyLimitBytes: 1_024 });
    await deliver(server, { secret: 'of-somebody-else' });
    const { secret: _none, ...unsigned } = fromLean(server, pki);
    await send(unsigned);
    await deliver(server, { identity: pki.otherCustomer });
    await deliver(server, { body: 'x'.repeat(2_000) });
    await eventually(async () =>
      expect(await counted(server)).toEqual([
        ['SIGNATURE_INVALID', 1],
        ['SIGNATURE_MISSING', 1],
        ['CERTIFICATE_NOT_LEAN', 1],
        ['BODY_TOO_LARGE', 1],
      ]),
    );
  });

  it('is not what is accepted, nor a stranger who shows nothing', async () => {
    const server = await start('signature');
    await deliver(server);
    const { secret: _none, ...unsigned } = fromLean(server, pki);
    await send(unsigned);
    await deliver(server, { body: 'x'.repeat(70_000), identity: undefined });
    await eventually(() => expect(server.lines.filter(({ msg }) => msg === 'delivery')).toHaveLength(3));
    expect(await counted(server)).toEqual([]);
  });
});
