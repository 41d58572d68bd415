// Behind a load balancer the certificate is judged as it is on a connection of our own: chain, lists, time and purpose,
// anew for each request; and nobody is believed who does not stand where the load balancer stands.
import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import type { ClientTrust } from '../../src/tls/tls-server.ts';
import { certificatesOf, forwardedLines, type HeaderLine } from '../support/forwarded-headers.ts';
import { send, type Reply, type Sending } from '../support/lean-sender.ts';
import { createPki, issueLeaf, spkiPin, testPki, type Identity, type Pki } from '../support/pki.ts';
import { anchorsOf, crlsOf, fromLean, startTestServer, type TestServer } from '../support/receiver-server.ts';
import { createRevocationList } from '../support/revocation-list.ts';

type Options = Partial<Parameters<typeof startTestServer>[0]> & { format?: ForwardedFormat };

let pki: Pki;
let lean: Identity;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  pki = await testPki();
  lean = pki.lean.webhookClient;
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((part) => part.close()));
});

const clientsOf = (chainPem: string): ClientTrust => ({ anchors: anchorsOf(chainPem), crls: null });
const rootPem = () => pki.issuers.leanRoot.certificate.toString('pem');

async function start({ format = 'haproxy', ...options }: Options = {}): Promise<TestServer> {
  const forwarded = { format, clients: clientsOf(pki.leanChainPem) };
  const server = await startTestServer({ mode: 'certificate', pki: null, forwarded, ...options });
  open.push(server);
  return server;
}

/** An unsigned delivery through the load balancer, which tells of this client. */
function deliver(server: TestServer, client: Identity, changes: Partial<Sending> = {}): Promise<Reply> {
  return send({ url: server.url, headers: forwardedLines('haproxy', client), body: '{}', ...changes });
}

function keepOpen(): { agent: Agent; ports: Set<number | undefined> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  agent.on('free', (socket: Socket) => ports.add(socket.localPort));
  open.push({ close: async () => agent.destroy() });
  return { agent, ports };
}

const invalid = { status: 401, body: '{"code":"CERTIFICATE_INVALID"}' };
const notLean = { status: 403, body: '{"code":"CERTIFICATE_NOT_LEAN"}' };
const required = { status: 401, body: '{"code":"CERTIFICATE_REQUIRED"}' };

async function reasons(server: TestServer): Promise<unknown[]> {
  const { values } = await server.metrics.certificatesRefused.get();
  return values.map(({ labels }) => labels.reason);
}

describe('the chain of a forwarded certificate', () => {
  it('may run over intermediates that only the header brings', async () => {
    const clients = clientsOf(rootPem());
    const server = await start({ forwarded: { format: 'haproxy', clients } });
    expect(await deliver(server, lean)).toMatchObject({ status: 200 });
    const { leafDer } = certificatesOf(lean);
    const headers = forwardedLines('haproxy', { leafDer, intermediatesDer: [] });
    expect(await deliver(server, lean, { headers })).toMatchObject(invalid);
    expect(await reasons(server)).toEqual(['ISSUER_NOT_FOUND']);
  });

  it('of a revoked certificate does not stand', async () => {
    const { leanRoot, leanIntermediate } = pki.issuers;
    const { serialNumber } = new X509Certificate(lean.certPem);
    const lists = [
      await createRevocationList(leanIntermediate, [serialNumber]),
      await createRevocationList(leanRoot),
    ];
    const clients = { anchors: anchorsOf(pki.leanChainPem), crls: crlsOf(...lists) };
    const server = await start({ forwarded: { format: 'haproxy', clients } });
    expect(await deliver(server, lean)).toMatchObject(invalid);
    expect(await reasons(server)).toEqual(['REVOKED']);
  });

  it('is judged under the bundle in force, on connections of before too', async () => {
    const server = await start();
    const { agent, ports } = keepOpen();
    expect(await deliver(server, lean, { agent })).toMatchObject({ status: 200 });
    server.server.replaceMaterial({ pair: null, clients: clientsOf((await createPki()).leanChainPem) });
    expect(await deliver(server, lean, { agent })).toMatchObject(invalid);
    expect(ports.size).toBe(1);
  });

  it('that expires between two requests of one connection refuses the second', async () => {
    let now = new Date();
    const server = await start({ now: () => now });
    const { agent, ports } = keepOpen();
    expect(await deliver(server, lean, { agent })).toMatchObject({ status: 200 });
    now = new Date(new X509Certificate(lean.certPem).validToDate.getTime() - 1_000);
    expect(await deliver(server, lean, { agent })).toMatchObject({ status: 200 });
    now = new X509Certificate(lean.certPem).validToDate;
    expect(await deliver(server, lean, { agent })).toMatchObject(invalid);
    expect(ports.size).toBe(1);
    expect(await reasons(server)).toEqual(['EXPIRED']);
  });

  it('is that of each request, whoever came over the connection before', async () => {
    const server = await start();
    const { agent, ports } = keepOpen();
    for (const [client, expected] of [
      [lean, { status: 200 }],
      [pki.otherCustomer, notLean],
      [lean, { status: 200 }],
    ] as const)
      expect(await deliver(server, client, { agent })).toMatchObject(expected);
    // The second came over the connection of the first, which its refusal ended.
    ports.delete(undefined);
    expect(ports.size).toBe(2);
    expect(server.kept).toHaveLength(2);
  });
});

function forServers(): Promise<Identity> {
  const { leanIntermediate: issuer } = pki.issuers;
  return issueLeaf({ issuer, sans: ['dns:webhooks.leantech.me'], eku: ['serverAuth'] });
}

describe('LEAN_CLIENT_PURPOSE=serverAuth behind a load balancer', () => {
  it('takes a certificate for servers by its key and no other', async () => {
    const pinned = await forServers();
    const value = spkiPin(pinned.certPem).slice('sha256/'.length);
    const server = await start({
      pins: [{ kind: 'spki', value }],
      clientPolicy: { purpose: 'serverAuth', keyPins: [value] },
    });
    expect(await deliver(server, pinned)).toMatchObject({ status: 200 });
    expect(await deliver(server, await forServers())).toMatchObject(notLean);
    expect(await deliver(server, lean)).toMatchObject(notLean);
    expect(await reasons(server)).toEqual(['KEY_PIN_REQUIRED']);
  });

  it('is not what clientAuth takes', async () => {
    const server = await start();
    expect(await deliver(server, await forServers())).toMatchObject(invalid);
    expect(await reasons(server)).toEqual(['PURPOSE_NOT_ALLOWED']);
  });
});

function signed(
  server: TestServer,
  headers: readonly HeaderLine[],
  changes: Partial<Sending> = {},
): Promise<Reply> {
  return send(fromLean(server, pki, { headers, ...changes }));
}

describe('VERIFY=certificate+signature behind a load balancer', () => {
  it('wants both', async () => {
    const server = await start({ mode: 'certificate+signature' });
    const headers = forwardedLines('haproxy', lean);
    expect(await signed(server, headers)).toMatchObject({ status: 200 });
    expect(await signed(server, [])).toMatchObject(required);
    expect(await signed(server, headers, { secret: 'wrong' })).toMatchObject({
      status: 401,
      body: '{"code":"SIGNATURE_INVALID"}',
    });
    expect(server.kept).toMatchObject([{ proof: 'signature' }]);
  });

  it('asks for the certificate first, then for room, for the size of the body, and for the signature', async () => {
    let full = true;
    const server = await start({
      mode: 'certificate+signature',
      bodyLimitBytes: 64,
      journalFull: () => full,
    });
    const headers = forwardedLines('haproxy', lean);
    const large = { body: 'x'.repeat(65), secret: 'wrong' };
    expect(await signed(server, [], large)).toMatchObject({ body: '{"code":"CERTIFICATE_REQUIRED"}' });
    expect(await signed(server, headers, large)).toMatchObject({ body: '{"code":"OVERLOADED"}' });
    full = false;
    expect(await signed(server, headers, large)).toMatchObject({ body: '{"code":"BODY_TOO_LARGE"}' });
    expect(await signed(server, headers, { secret: 'wrong' })).toMatchObject({
      body: '{"code":"SIGNATURE_INVALID"}',
    });
  });
});

describe('a forwarding header', () => {
  it('is nothing to a receiver that ends TLS itself', async () => {
    const server = await startTestServer({ mode: 'certificate', pki });
    open.push(server);
    const headers = forwardedLines('haproxy', lean);
    expect(await send(fromLean(server, pki, { identity: pki.otherCustomer, headers }))).toMatchObject(
      notLean,
    );
    expect(
      await send(fromLean(server, pki, { headers: forwardedLines('haproxy', pki.rogue) })),
    ).toMatchObject({ status: 200 });
    await expect(send(fromLean(server, pki, { identity: undefined, headers }))).rejects.toThrow(/./);
  });

  it('is nothing where the signature decides', async () => {
    const server = await startTestServer({ mode: 'signature', pki: null });
    open.push(server);
    const headers = forwardedLines('haproxy', pki.rogue);
    expect(await send(fromLean(server, pki, { headers }))).toMatchObject({ status: 200 });
    await expect.poll(() => server.lines).toHaveLength(1);
    expect(server.lines[0]).not.toHaveProperty('certificate_reason');
  });

  it('named with underscores is another header', async () => {
    const server = await start();
    const headers = forwardedLines('haproxy', lean).map(
      ([name, value]) => [name.replaceAll('-', '_'), value] as const,
    );
    expect(await deliver(server, lean, { headers })).toMatchObject(required);
  });

  it('may be long: a chain of three large certificates fits, which it does not where TLS ends here', async () => {
    const server = await start();
    const padding = [['X-Padding', 'x'.repeat(20_000)]] as const;
    const headers = [...forwardedLines('haproxy', lean), ...padding];
    expect(await deliver(server, lean, { headers })).toMatchObject({ status: 200 });
    const direct = await startTestServer({ mode: 'certificate', pki });
    open.push(direct);
    expect(await send(fromLean(direct, pki, { headers: padding }))).toMatchObject({ status: 431 });
  });
});
