// VERIFY_SHADOW: what the other method would have said of what got in. It never costs a delivery and never lets one in.
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createChainCache } from '../../src/tls/chain-cache.ts';
import { forwardedLines, type HeaderLine } from '../support/forwarded-headers.ts';
import { send, sign } from '../support/lean-sender.ts';
import { issueLeaf, spkiPin, testPki, webhookClientName, type Identity, type Pki } from '../support/pki.ts';
import {
  anchorsOf,
  fromLean,
  startTestServer,
  testSecret,
  type TestServer,
  type VerifyMode,
} from '../support/receiver-server.ts';

type Options = Partial<Parameters<typeof startTestServer>[0]>;

let pki: Pki;
const open: TestServer[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

/** The same delivery reaches us over TLS of our own, or through a load balancer that tells of the client. */
const ways = {
  'where TLS ends here': {
    options: (): Options => ({ pki }),
    sending: (server: TestServer, identity?: Identity) => fromLean(server, pki, { identity }),
  },
  'behind a proxy': {
    options: (): Options => ({
      pki: null,
      forwarded: { format: 'nginx', clients: { anchors: anchorsOf(pki.leanChainPem), crls: null } },
    }),
    sending: (server: TestServer, identity?: Identity) =>
      fromLean(server, pki, { headers: identity ? forwardedLines('nginx', identity) : [] }),
  },
} as const;
type Way = (typeof ways)[keyof typeof ways];

async function start(way: Way, options: { mode: VerifyMode } & Options): Promise<TestServer> {
  const server = await startTestServer({ pki: null, ...way.options(), ...options });
  open.push(server);
  return server;
}

const linesOf = (server: TestServer, msg: string) => server.lines.filter((line) => line['msg'] === msg);
const verdicts = async (server: TestServer) => (await server.metrics.shadowVerdicts.get()).values;
const expired = () => leanLeaf({ notAfter: new Date(Date.now() - 1_000) });

function leanLeaf(leaf: Partial<Parameters<typeof issueLeaf>[0]>): Promise<Identity> {
  const { leanIntermediate: issuer } = pki.issuers;
  return issueLeaf({ issuer, sans: ['dns:webhooks.leantech.me'], eku: ['clientAuth'], ...leaf });
}

describe.each(Object.entries(ways))('VERIFY_SHADOW=certificate %s', (_where, way) => {
  it.each<[string, () => Promise<Identity | undefined>, string, string]>([
    ["Lean's own", async () => pki.lean.webhookClient, 'agreed', 'none'],
    ['none', async () => undefined, 'would_refuse', 'NOT_PRESENTED'],
    ["a stranger's", async () => pki.rogue, 'would_refuse', 'ISSUER_NOT_FOUND'],
    ["another customer's", async () => pki.otherCustomer, 'would_refuse', 'NOT_ON_LIST'],
    ['an expired one', expired, 'would_refuse', 'EXPIRED'],
    ['one for servers', () => leanLeaf({ eku: ['serverAuth'] }), 'would_refuse', 'PURPOSE_NOT_ALLOWED'],
  ])('says what the certificate would have come to: %s', async (_whose, presented, verdict, reason) => {
    const server = await start(way, { mode: 'signature', shadow: 'certificate' });
    const sending = way.sending(server, await presented());
    expect(await send(sending)).toMatchObject({ status: 200 });
    expect(await send({ ...sending, secret: 'wrong' })).toMatchObject({ status: 401 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(2);
    expect(await verdicts(server)).toEqual([
      { labels: { method: 'certificate', verdict, reason }, value: 1 },
    ]);
    const [line, strangers] = linesOf(server, 'delivery');
    expect(line).toMatchObject({ outcome: 'accepted', certificate_shadow: verdict });
    expect(line?.['certificate_reason']).toBe(reason === 'none' ? undefined : reason);
    expect(strangers).not.toHaveProperty('certificate_shadow');
    expect((await server.metrics.certificatesRefused.get()).values).toEqual([]);
    expect(server.kept).toMatchObject([{ proof: 'signature' }]);
  });

  it('prints what to put into LEAN_CLIENT_NAMES, once for each certificate', async () => {
    const server = await start(way, { mode: 'signature', shadow: 'certificate', pins: [] });
    const { webhookClient } = pki.lean;
    for (const identity of [webhookClient, pki.otherCustomer, webhookClient, undefined])
      expect(await send(way.sending(server, identity))).toMatchObject({ status: 200 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(4);
    const { validToDate, fingerprint256 } = new X509Certificate(webhookClient.certPem);
    expect(linesOf(server, 'certificate_observed')).toMatchObject([
      {
        level: 'info',
        certificate_sha256: fingerprint256.replaceAll(':', '').toLowerCase(),
        certificate_names: webhookClientName,
        key_pin: spkiPin(webhookClient.certPem),
        not_after: validToDate.toISOString(),
        shadow: 'would_refuse',
        reason: 'NOT_ON_LIST',
      },
      { certificate_names: 'dns:customer-42.clients.leantech.me' },
    ]);
  });

  it('prints nothing of callers that do not get in', async () => {
    const server = await start(way, { mode: 'signature', shadow: 'certificate' });
    const sending = way.sending(server, pki.rogue);
    expect(await send({ ...sending, secret: 'wrong' })).toMatchObject({ status: 401 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(1);
    expect(linesOf(server, 'certificate_observed')).toEqual([]);
  });

  it('costs no delivery when judging fails', async () => {
    const chains = createChainCache({
      judge() {
        throw new TypeError('of the test');
      },
    });
    const server = await start(way, { mode: 'signature', shadow: 'certificate', chains });
    expect(await send(way.sending(server, pki.lean.webhookClient))).toMatchObject({ status: 200 });
    await expect
      .poll(() => linesOf(server, 'delivery'))
      .toMatchObject([
        {
          certificate_shadow: 'would_refuse',
          certificate_reason: 'NOT_JUDGED',
          error: expect.stringContaining('TypeError'),
        },
      ]);
    expect(await verdicts(server)).toMatchObject([{ labels: { reason: 'NOT_JUDGED' } }]);
  });

  it('goes beside nothing at all', async () => {
    const server = await start(way, { mode: 'none', shadow: 'certificate' });
    const { secret: _unsigned, ...sending } = way.sending(server, pki.lean.webhookClient);
    expect(await send(sending)).toMatchObject({ status: 200 });
    await expect.poll(() => linesOf(server, 'delivery')).toMatchObject([{ certificate_shadow: 'agreed' }]);
    expect(server.kept).toMatchObject([{ proof: 'none' }]);
  });
});

describe('VERIFY_SHADOW=certificate behind a proxy', () => {
  it('looks at a header of a stranger as it would if it decided', async () => {
    const way = ways['behind a proxy'];
    const { forwarded } = way.options();
    if (forwarded === undefined) throw new TypeError('nothing is forwarded');
    const server = await start(way, {
      mode: 'signature',
      shadow: 'certificate',
      forwarded: { ...forwarded, trusted: ['10.0.0.0/8'] },
    });
    expect(await send(way.sending(server, pki.lean.webhookClient))).toMatchObject({ status: 200 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(1);
    expect(await verdicts(server)).toMatchObject([{ labels: { reason: 'PROXY_NOT_TRUSTED' } }]);
    expect(linesOf(server, 'certificate_observed')).toEqual([]);
  });
});

/** No text at all: only over these very bytes does a signature hold. */
const oddBytes = Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0xff, 0x00, 0x7d, 0x0d, 0x0a]);

const signature = (value: string): HeaderLine => ['lean-signature', value];
function failingSecrets(): readonly string[] {
  throw new TypeError('of the test');
}

describe.each(Object.entries(ways))('VERIFY_SHADOW=signature %s', (_where, way) => {
  it.each<[string, () => HeaderLine[], string, string]>([
    ['right, over the very bytes', () => [signature(sign(oddBytes, testSecret))], 'agreed', 'none'],
    ['none', () => [], 'would_refuse', 'SIGNATURE_MISSING'],
    ["another secret's", () => [signature(sign(oddBytes, 'other'))], 'would_refuse', 'SIGNATURE_INVALID'],
    [
      'right, twice',
      () => [signature(sign(oddBytes, testSecret)), signature(sign(oddBytes, testSecret))],
      'would_refuse',
      'SIGNATURE_INVALID',
    ],
  ])('says what the signature would have come to: %s', async (_which, headers, verdict, reason) => {
    const server = await start(way, { mode: 'certificate', shadow: 'signature' });
    const { secret: _none, headers: told = [], ...sending } = way.sending(server, pki.lean.webhookClient);
    const reply = await send({ ...sending, body: oddBytes, headers: [...told, ...headers()] });
    expect(reply).toMatchObject({ status: 200 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(1);
    expect(await verdicts(server)).toEqual([{ labels: { method: 'signature', verdict, reason }, value: 1 }]);
    const [line] = linesOf(server, 'delivery');
    expect(line).toMatchObject({ outcome: 'accepted', proof: 'certificate', signature_shadow: verdict });
    expect(line?.['signature_reason']).toBe(reason === 'none' ? undefined : reason);
    expect(server.kept).toMatchObject([{ proof: 'certificate', body: oddBytes }]);
  });

  it('lets nobody in by a signature alone, and says nothing of it', async () => {
    const server = await start(way, { mode: 'certificate', shadow: 'signature' });
    expect(await send(way.sending(server, pki.otherCustomer))).toMatchObject({ status: 403 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(1);
    expect(linesOf(server, 'delivery')[0]).not.toHaveProperty('signature_shadow');
    expect(await verdicts(server)).toEqual([]);
    expect(server.kept).toEqual([]);
  });

  it('costs no delivery when judging fails', async () => {
    const server = await start(way, { mode: 'certificate', shadow: 'signature', secrets: failingSecrets });
    expect(await send(way.sending(server, pki.lean.webhookClient))).toMatchObject({ status: 200 });
    await expect
      .poll(() => linesOf(server, 'delivery'))
      .toMatchObject([{ signature_shadow: 'would_refuse', signature_reason: 'NOT_JUDGED' }]);
  });

  it('is not counted of a delivery that was not kept', async () => {
    const journal = { append: () => Promise.reject(new Error('of the test')) };
    const server = await start(way, { mode: 'certificate', shadow: 'signature', journal });
    expect(await send(way.sending(server, pki.lean.webhookClient))).toMatchObject({ status: 503 });
    await expect.poll(() => linesOf(server, 'delivery')).toHaveLength(1);
    expect(await verdicts(server)).toEqual([]);
  });
});
