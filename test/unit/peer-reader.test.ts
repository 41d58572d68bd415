// What is known of a caller's certificate at one moment: every part of it from where it belongs, and nothing believed of a
// certificate that does not verify.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import tls, { TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChainQuestion, ChainVerdict } from '../../src/tls/certificate-chain.ts';
import { judgeCertificate } from '../../src/tls/judge-certificate.ts';
import { readLeafIdentity, type LeafPin } from '../../src/tls/leaf-pins.ts';
import { createPeerReader } from '../../src/tls/peer-certificate.ts';
import { createSocketSource, type Presentation } from '../../src/tls/presented-certificate.ts';
import type { ClientPolicy } from '../../src/tls/path-rules.ts';
import type { ClientTrust } from '../../src/tls/tls-server.ts';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';
import { testNow, writeAuthority, writeLeaf } from '../support/certificate-writer.ts';
import { testPki, type Pki } from '../support/pki.ts';

const root = writeAuthority();
const leaf = writeLeaf({ issuer: root });
const identity = readLeafIdentity(leaf.der);
const presented: Presentation = {
  kind: 'presented',
  presented: { leafDer: leaf.der, intermediatesDer: [root.der], sha256: '0a', identity },
};
const lists = { isComplete: true, lists: [], version: 'a' };
const trust: ClientTrust = {
  anchors: { pem: '', certificates: [], trust: readTrustBundle([root.der]) },
  crls: { pems: [], lists },
};
const pin: LeafPin = { kind: 'dns', value: 'webhooks.leantech.me' };
const refused: ChainVerdict = { verdict: 'reject', reason: 'EXPIRED', signatureChecks: 0 };
const accepted: ChainVerdict = {
  verdict: 'accept',
  signatureChecks: 1,
  chain: {
    path: [],
    keyPins: [],
    names: { dns: [], uri: [] },
    validFrom: testNow,
    validUntil: testNow,
    crlsCurrentUntil: null,
  },
};

interface Parts {
  readonly presentation?: Presentation;
  readonly pins?: readonly LeafPin[];
  readonly policy?: ClientPolicy;
  readonly inForce?: ClientTrust | null;
  readonly verdict?: ChainVerdict;
  readonly socket?: Socket;
}

function read(parts: Parts) {
  const { presentation = presented, pins = [pin], inForce = trust, verdict = accepted } = parts;
  const { policy = { purpose: 'clientAuth' }, socket = new Socket() } = parts;
  const questions: ChainQuestion[] = [];
  const reader = createPeerReader({
    source: () => presentation,
    pins,
    policy,
    trust: () => inForce,
    chains: {
      judge: (question) => {
        questions.push(question);
        return verdict;
      },
      sizes: () => ({ accepted: 0, refused: 0 }),
    },
  });
  const reading = reader.read({ socket, rawHeaders: [] }, testNow);
  return { reading, questions, peer: reading.kind === 'presented' ? reading.peer : null };
}

const tlsSocket = (authorized: boolean) =>
  Object.defineProperty(new TLSSocket(new Socket()), 'authorized', { value: authorized });

it('says who the certificate is, in the words of LEAN_CLIENT_NAMES, and asks the verifier about all of it', () => {
  const { peer, questions } = read({});
  expect(peer).toMatchObject({
    sha256: '0a',
    leafDer: leaf.der,
    names: 'dns:webhooks.leantech.me',
    keyPin: `sha256/${identity?.spkiSha256}`,
    chain: accepted,
  });
  expect(questions).toEqual([
    {
      leafDer: leaf.der,
      intermediatesDer: [root.der],
      anchors: trust.anchors.trust,
      crls: lists,
      now: testNow,
      policy: { purpose: 'clientAuth' },
    },
  ]);
});

it.each<[string, Parts, boolean]>([
  ['stands and is on the list', {}, true],
  ['does not stand, though it is on the list', { verdict: refused }, false],
  ['stands and is on no list', { pins: [] }, false],
  ['stands and is not on the list', { pins: [{ kind: 'dns', value: 'other.example' }] }, false],
])("whether a certificate that %s is Lean's", (_which, parts, isLean) => {
  expect(read(parts).peer).toMatchObject({ isLean });
});

it('a certificate that cannot be read is nobody, whatever the verifier says', () => {
  const presentation: Presentation = {
    kind: 'presented',
    presented: { leafDer: Buffer.of(1), intermediatesDer: [], sha256: '0a', identity: null },
  };
  expect(read({ presentation }).peer).toMatchObject({ names: '', keyPin: '', isLean: false });
});

it('nobody is asked for a certificate: none is read, though one was presented', () => {
  const { reading, questions } = read({ inForce: null });
  expect(reading).toEqual({ kind: 'absent' });
  expect(questions).toEqual([]);
});

it.each<Presentation>([
  { kind: 'absent' },
  { kind: 'unreadable', reason: 'HEADER_REPEATED' },
  { kind: 'unreadable', reason: 'PROXY_NOT_TRUSTED' },
])('what is no certificate is passed on, and the verifier is not asked: %j', (presentation) => {
  const { reading, questions } = read({ presentation });
  expect(reading).toEqual(presentation);
  expect(questions).toEqual([]);
});

it.each(['HEADER_REPEATED', 'HEADER_UNREADABLE', 'PROXY_UNVERIFIED', 'PROXY_NOT_TRUSTED'] as const)(
  'a forwarded certificate that is not read for %s is refused by that name',
  (reason) => {
    const { reading } = read({ presentation: { kind: 'unreadable', reason } });
    expect(judgeCertificate(reading)).toEqual({ code: 'CERTIFICATE_INVALID', reason });
  },
);

describe("the handshake's own verdict", () => {
  const serverAuth: ClientPolicy = { purpose: 'serverAuth', keyPins: [] };
  it.each<[string, Parts, boolean | null]>([
    ['counts when it says yes', { socket: tlsSocket(true) }, true],
    ['counts when it says no', { socket: tlsSocket(false) }, false],
    ['is not asked where it knows no such purpose', { socket: tlsSocket(false), policy: serverAuth }, null],
    ['is none where TLS ended elsewhere', {}, null],
  ])('%s', (_what, parts, isVerifiedByTls) => {
    expect(read(parts).peer).toMatchObject({ isVerifiedByTls });
  });
});

describe('of a chain that is presented in a handshake', () => {
  let pki: Pki;
  beforeAll(async () => {
    pki = await testPki();
  });

  /** What the server sees of a client that presents its leaf and so many more. */
  async function presentedWith(intermediates: number): Promise<Presentation> {
    const { certPem, keyPem } = pki.lean.webhookClient;
    const authorityPem = pki.issuers.leanIntermediate.certificate.toString('pem');
    const server = tls.createServer({
      cert: pki.receiverServer.chainPem,
      key: pki.receiverServer.keyPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
    const client = tls.connect({
      port: address.port,
      host: '127.0.0.1',
      ca: pki.serverCaPem,
      cert: [certPem, ...Array.from({ length: intermediates }, () => authorityPem)].join('\n'),
      key: keyPem,
    });
    try {
      const [socket] = await once(server, 'secureConnection');
      return createSocketSource()({ socket, rawHeaders: [] });
    } finally {
      client.destroy();
      server.close();
    }
  }

  it.each([
    [0, 0],
    [1, 1],
    [10, 10],
    [11, 11],
    [30, 11],
  ])('%d intermediates are read as %d: one more than the verifier takes, and no more', async (sent, seen) => {
    const reading = await presentedWith(sent);
    const found = reading.kind === 'presented' ? reading.presented : null;
    expect(found?.leafDer).toEqual(new X509Certificate(pki.lean.webhookClient.certPem).raw);
    expect(found?.intermediatesDer).toHaveLength(seen);
  });
});
