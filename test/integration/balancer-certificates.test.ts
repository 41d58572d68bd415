// Real nginx and HAProxy in front of the receiver, with the README's configuration: the certificate of who calls decides,
// and nothing that a caller writes into a header.
import http from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import {
  behindBalancer,
  forwardedHeaders,
  type BalancerFormat,
  type BehindBalancerOptions,
} from '../support/behind-balancer.ts';
import { eventually } from '../support/eventually.ts';
import { issueLeaf, testPki, webhookClientName, type Identity, type Pki } from '../support/pki.ts';

interface Setup {
  readonly name: string;
  readonly kind: BalancerFormat;
  readonly changes: BehindBalancerOptions['changes'];
  /** Who says no to these callers, and how. */
  readonly refuses: Readonly<Record<'stranger' | 'expired' | 'nobody', string>>;
}

const setups: readonly Setup[] = [
  {
    name: 'nginx as in the README',
    kind: 'nginx',
    changes: [],
    refuses: { stranger: 'nginx 400', expired: 'nginx 400', nobody: 'nginx 400' },
  },
  {
    name: 'nginx while the certificate is in the shadow',
    kind: 'nginx',
    changes: [['ssl_verify_client      on', 'ssl_verify_client optional_no_ca']],
    refuses: { stranger: 'CERTIFICATE_INVALID', expired: 'nginx 400', nobody: 'CERTIFICATE_REQUIRED' },
  },
  {
    name: 'nginx with ssl_verify_client optional',
    kind: 'nginx',
    changes: [['ssl_verify_client      on', 'ssl_verify_client optional']],
    refuses: { stranger: 'nginx 400', expired: 'nginx 400', nobody: 'CERTIFICATE_REQUIRED' },
  },
  {
    name: 'HAProxy as in the README',
    kind: 'haproxy',
    changes: [],
    refuses: { stranger: 'handshake', expired: 'handshake', nobody: 'handshake' },
  },
  {
    name: 'HAProxy while the certificate is in the shadow',
    kind: 'haproxy',
    changes: [['verify required', 'verify optional ca-ignore-err all crt-ignore-err all']],
    refuses: {
      stranger: 'CERTIFICATE_INVALID',
      expired: 'CERTIFICATE_INVALID',
      nobody: 'CERTIFICATE_REQUIRED',
    },
  },
];

let pki: Pki;
let callers: Record<keyof Setup['refuses'], Identity | undefined>;

beforeAll(async () => {
  pki = await testPki();
  const dayMs = 86_400_000;
  const expired = await issueLeaf({
    issuer: pki.issuers.leanIntermediate,
    sans: [webhookClientName],
    eku: ['clientAuth'],
    notBefore: new Date(Date.now() - 20 * dayMs),
    notAfter: new Date(Date.now() - dayMs),
  });
  callers = { stranger: pki.rogue, expired, nobody: undefined };
});

describe.each(setups)('$name', ({ kind, changes = [], refuses }) => {
  const running = behindBalancer({ kind, pki: () => pki, changes });

  it('lets Lean in with its intermediate, and keeps what it sent', async () => {
    const delivered = await running.deliver(pki.lean.webhookClient);
    expect(delivered).toEqual({ status: 200, outcome: 'accepted', kept: 1 });
  });

  it('answers another customer of Lean 403 and keeps nothing', async () => {
    const delivered = await running.deliver(pki.otherCustomer);
    expect(delivered).toEqual({ status: 403, outcome: 'CERTIFICATE_NOT_LEAN', kept: 0 });
  });

  describe.each([
    ['a stranger’s authority under Lean’s name', 'stranger'],
    ['an expired certificate of Lean’s', 'expired'],
    ['no certificate', 'nobody'],
  ] as const)('refuses %s', (_what, who) => {
    it('and keeps nothing', async () => {
      expect(await running.deliver(callers[who])).toMatchObject({ outcome: refuses[who], kept: 0 });
    });

    it('with Lean’s certificate in spoofed headers too', async () => {
      const spoofed = forwardedHeaders(kind, pki.lean.webhookClient);
      const headers = [...spoofed, ...spoofed, ...everyForwardingHeader(pki.lean.webhookClient)];
      const delivered = await running.deliver(callers[who], { headers });
      expect(delivered).toMatchObject({ outcome: refuses[who], kept: 0 });
    });
  });

  it('takes a caller for who it is, whatever its headers say', async () => {
    const asLean = { headers: forwardedHeaders(kind, pki.lean.webhookClient) };
    expect(await running.deliver(pki.otherCustomer, asLean)).toMatchObject({ status: 403, kept: 0 });
    const asOther = { headers: forwardedHeaders(kind, pki.otherCustomer) };
    expect(await running.deliver(pki.lean.webhookClient, asOther)).toMatchObject({ status: 200, kept: 1 });
  });

  it('refuses who goes past the load balancer, although the header is perfect', async (context) => {
    context.skip(process.platform !== 'linux', 'needs a second address on loopback');
    const { url, lines } = running.receiver();
    const headers = forwardedHeaders(kind, pki.lean.webhookClient);
    const past = (localAddress: string) => {
      const agent = new http.Agent({ localAddress });
      return running.deliver(undefined, { url, headers, agent });
    };
    // The same from the load balancer's own address is believed, so it is the address that decides.
    expect(await past('127.0.0.1')).toMatchObject({ status: 200, kept: 1 });
    expect(await past('127.0.0.2')).toEqual({ status: 401, outcome: 'CERTIFICATE_INVALID', kept: 0 });
    await eventually(() => expect(lines.at(-1)).toMatchObject({ certificate_reason: 'PROXY_NOT_TRUSTED' }));
  });
});

/** The certificate in every other format, and once more under the names with underscores. */
function everyForwardingHeader({ certPem }: Identity): [string, string][] {
  const escaped = encodeURIComponent(certPem);
  const base64 = certPem.replaceAll(/-----[^-]+-----|\s/g, '');
  const others: Record<Exclude<ForwardedFormat, BalancerFormat>, [string, string]> = {
    rfc9440: ['Client-Cert', `:${base64}:`],
    envoy: ['X-Forwarded-Client-Cert', `Cert="${escaped}"`],
    'aws-alb-verify': ['X-Amzn-Mtls-Clientcert-Leaf', escaped],
    'aws-alb-passthrough': ['X-Amzn-Mtls-Clientcert', escaped],
    traefik: ['X-Forwarded-Tls-Client-Cert', base64],
  };
  return [...Object.values(others), ['X_SSL_Client_Cert', escaped], ['X_SSL_Client_Verify', 'SUCCESS']];
}
