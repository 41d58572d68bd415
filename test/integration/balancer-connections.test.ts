// Real nginx and HAProxy in front of the receiver: connections and sessions that several callers share, and the traps of
// which the README warns.
import { once } from 'node:events';
import https from 'node:https';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { forwardedFormats } from '../../src/tls/forwarded-certificate.ts';
import { readmeConfiguration, readmeText } from '../support/balancers.ts';
import {
  behindBalancer,
  forwardedHeaders,
  type BalancerFormat,
  type BehindBalancerOptions,
} from '../support/behind-balancer.ts';
import { issueLeaf, testPki, webhookClientName, type Pki } from '../support/pki.ts';

let pki: Pki;
beforeAll(async () => {
  pki = await testPki();
});

describe.each<[BalancerFormat, BehindBalancerOptions['changes']]>([
  ['nginx', []],
  [
    'haproxy',
    [
      // First requests too may take a connection that another caller's request came over.
      ['http-reuse safe', 'http-reuse always'],
      ['tune.bufsize 32768', 'tune.bufsize 32768\n    nbthread 1'],
    ],
  ],
])('one connection of %s to the receiver', (kind, changes = []) => {
  const running = behindBalancer({ kind, pki: () => pki, changes });

  it('carries two callers that are told apart at every request', async () => {
    const agents = [1, 2].map(() => new https.Agent({ keepAlive: true, maxSockets: 1 }));
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (const [index, identity] of [pki.lean.webhookClient, pki.otherCustomer].entries()) {
        const agent = agents[index];
        const { status } = await running.deliver(identity, { ...(agent && { agent }) });
        statuses.push(status);
      }
    }
    for (const agent of agents) agent.destroy();
    expect(statuses).toEqual([200, 403, 200, 403, 200, 403]);
    // A refusal ends its connection, so each of these carried one caller and then the other.
    expect(running.connectionsToReceiver()).toBe(3);
  });
});

describe.each<BalancerFormat>(['nginx', 'haproxy'])('%s as in the README', (kind) => {
  const running = behindBalancer({ kind, pki: () => pki });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('never resumes a session of %s', async (version) => {
    const first = await handshake(version);
    // TLS 1.2 has its session now, TLS 1.3 when a ticket has come.
    const sessions = [first.getSession()];
    first.on('session', (session) => sessions.push(session));
    first.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').resume();
    await once(first, 'close');
    const second = await handshake(version, sessions.at(-1));
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  function handshake(version: SecureVersion, session?: Buffer): Promise<TLSSocket> {
    const { chainPem, keyPem } = pki.lean.webhookClient;
    const socket = connect({
      host: '127.0.0.1',
      port: Number(new URL(running.url()).port),
      servername: 'localhost',
      ca: pki.serverCaPem,
      cert: chainPem,
      key: keyPem,
      minVersion: version,
      maxVersion: version,
      ...(session && { session }),
    });
    return new Promise((resolve, reject) => {
      socket.once('secureConnect', () => resolve(socket)).once('error', reject);
    });
  }
});

describe('what the README warns of', () => {
  describe('a set-header under a condition in HAProxy', () => {
    const running = behindBalancer({
      kind: 'haproxy',
      pki: () => pki,
      changes: [
        ['verify required', 'verify optional'],
        ['    http-request del-header X-SSL-Client-Cert\n', ''],
        ['%[ssl_c_der,base64]', '%[ssl_c_der,base64] if { ssl_c_used }'],
      ],
    });

    it('lets a spoofed certificate in', async () => {
      const headers = forwardedHeaders('haproxy', pki.lean.webhookClient);
      expect(await running.deliver(undefined, { headers })).toMatchObject({ status: 200 });
    });
  });

  describe('an add-header in HAProxy', () => {
    const running = behindBalancer({
      kind: 'haproxy',
      pki: () => pki,
      changes: [
        ['    http-request del-header X-SSL-Client-Cert\n', ''],
        ['set-header X-SSL-Client-Cert', 'add-header X-SSL-Client-Cert'],
      ],
    });

    it('makes two headers, which are refused', async () => {
      const headers = forwardedHeaders('haproxy', pki.otherCustomer);
      const delivered = await running.deliver(pki.lean.webhookClient, { headers });
      expect(delivered).toMatchObject({ outcome: 'CERTIFICATE_INVALID', kept: 0 });
    });
  });

  describe('nginx without X-SSL-Client-Verify', () => {
    const running = behindBalancer({
      kind: 'nginx',
      pki: () => pki,
      changes: [['        proxy_set_header   X-SSL-Client-Verify $ssl_client_verify;\n', '']],
    });

    it('has nobody let in', async () => {
      const delivered = await running.deliver(pki.lean.webhookClient);
      expect(delivered).toMatchObject({ outcome: 'CERTIFICATE_INVALID', kept: 0 });
    });
  });
});

describe.each<BalancerFormat>(['nginx', 'haproxy'])('%s in front', (kind) => {
  const running = behindBalancer({ kind, pki: () => pki });

  it('passes a certificate as large as a chain of RSA-4096 keys', async () => {
    const names = Array.from({ length: 220 }, (_, index) => `dns:host-${index}.webhooks.leantech.me`);
    const issuer = pki.issuers.leanIntermediate;
    const large = await issueLeaf({ issuer, sans: [webhookClientName, ...names], eku: ['clientAuth'] });
    const [certificate] = forwardedHeaders(kind, large);
    expect(certificate?.join('').length).toBeGreaterThan(9_000);
    expect(await running.deliver(large)).toMatchObject({ status: 200, kept: 1 });
  });
});

describe('the README', () => {
  const blocks = readmeText().matchAll(/^```sh\n(TLS_TERMINATION=.*?)^```$/gms);
  const settings = [...blocks].map(([, text = '']) => [text.trim().replaceAll('\n', ' '), text] as const);

  it.each(settings)('shows settings that a receiver starts with: %s', (_name, text) => {
    const shown = text
      .trim()
      .split('\n')
      .map((line) => line.split('=', 2));
    const env = {
      VERIFY: 'certificate+signature',
      LEAN_ENVIRONMENT: 'sandbox',
      LEAN_REGION: 'ae',
      LEAN_CA_FILE: 'lean_public_cert_chain.pem',
      LEAN_CLIENT_NAMES: webhookClientName,
      LEAN_WEBHOOK_SECRET: 'secret',
      REDIS_URL: 'redis://127.0.0.1:6379',
      TLS_CERT_FILE: 'tls.crt',
      TLS_KEY_FILE: 'tls.key',
      ...Object.fromEntries(shown),
    };
    expect(loadConfig('receiver', env)).toMatchObject(
      text.includes('proxy') ? { TLS_TERMINATION: 'proxy' } : { PROXY_PROTOCOL: 'on' },
    );
  });

  it('has a section with a configuration for each way to forward a certificate', () => {
    const formats = readmeText().matchAll(/FORWARDED_CERT_HEADER=([a-z0-9-]+)/g);
    expect(new Set([...formats].map(([, format]) => format))).toEqual(new Set(Object.keys(forwardedFormats)));
    for (const name of ['envoy', 'aws-alb-verify', 'traefik', 'gcp', 'cloudflare'])
      expect(readmeConfiguration(name)).not.toBe('');
  });
});
