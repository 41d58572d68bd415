// Behind a load balancer that ended TLS: for every way to forward a certificate the same answers, over real sockets.
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { forwardedFormats, type ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import { bitString, sequence } from '../support/der-writer.ts';
import {
  certificatesOf,
  forwardedLines,
  holdsCertificate,
  withCertificateValue,
  type HeaderLine,
} from '../support/forwarded-headers.ts';
import { send } from '../support/lean-sender.ts';
import { issueLeaf, testPki, type Pki } from '../support/pki.ts';
import { anchorsOf, startTestServer, type TestServer } from '../support/receiver-server.ts';

const formats = [
  'rfc9440',
  'envoy',
  'nginx',
  'haproxy',
  'aws-alb-verify',
  'aws-alb-passthrough',
  'traefik',
] as const satisfies readonly ForwardedFormat[];

let pki: Pki;
const open: TestServer[] = [];

beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

interface Case {
  readonly lines: (format: ForwardedFormat) => readonly HeaderLine[] | Promise<readonly HeaderLine[]>;
  readonly trusted?: readonly string[];
  readonly outcome: string;
  readonly reason?: string;
}

const lean = (format: ForwardedFormat) => forwardedLines(format, pki.lean.webhookClient);
const refused = { outcome: '401 {"code":"CERTIFICATE_INVALID"}' };
const required = { outcome: '401 {"code":"CERTIFICATE_REQUIRED"}', reason: 'NOT_PRESENTED' };
const accepted = { outcome: '200 {"outcome":"accepted"}' };

const cases: Readonly<Record<string, Case>> = {
  "Lean's own certificate gets in": { lines: lean, ...accepted },
  'no header is refused': { lines: () => [], ...required },
  'an empty header is no certificate': {
    lines: (format) => withCertificateValue(format, lean(format), () => ''),
    ...required,
  },
  'two headers are refused': {
    lines: (format) => [
      ...lean(format).filter(([name]) => holdsCertificate(format, name)),
      ...forwardedLines(format, pki.otherCustomer),
    ],
    ...refused,
    reason: 'HEADER_REPEATED',
  },
  'a header from a peer that is no trusted proxy is refused': {
    lines: lean,
    trusted: ['10.0.0.0/8', '::1/128'],
    ...refused,
    reason: 'PROXY_NOT_TRUSTED',
  },
  'no header from a peer that is no trusted proxy is no certificate': {
    lines: () => [],
    trusted: ['10.0.0.0/8'],
    ...required,
  },
  "every other scheme's header is ignored": { lines: otherSchemes, ...required },
  "every other scheme's header beside the right one is ignored": {
    lines: (format) => [...otherSchemes(format), ...lean(format)],
    ...accepted,
  },
  'a certificate beyond the bound is refused': {
    lines: (format) => oversized(format),
    ...refused,
    reason: 'HEADER_TOO_LARGE',
  },
  'headers beyond the bound are refused': {
    lines: (format) => withCertificateValue(format, lean(format), (value) => value + 'A'.repeat(33_000)),
    outcome: '431 {"code":"HEADERS_TOO_LARGE"}',
  },
  'what cannot be decoded is refused': {
    lines: (format) => withCertificateValue(format, lean(format), (value) => `%zz!${value}`),
    ...refused,
    reason: 'HEADER_UNREADABLE',
  },
  'bytes behind the certificate are refused': {
    lines: (format) => {
      const { leafDer, intermediatesDer } = certificatesOf(pki.lean.webhookClient);
      return forwardedLines(format, { leafDer: Buffer.concat([leafDer, Buffer.of(0)]), intermediatesDer });
    },
    ...refused,
    reason: 'HEADER_UNREADABLE',
  },
  "another customer's certificate is refused": {
    lines: (format) => forwardedLines(format, pki.otherCustomer),
    outcome: '403 {"code":"CERTIFICATE_NOT_LEAN"}',
    reason: 'NOT_ON_LIST',
  },
  "another authority's copy of Lean's certificate is refused": {
    lines: (format) => forwardedLines(format, pki.rogue),
    ...refused,
    reason: 'ISSUER_NOT_FOUND',
  },
  'an expired certificate is refused': {
    lines: async (format) =>
      forwardedLines(
        format,
        await issueLeaf({
          issuer: pki.issuers.leanIntermediate,
          sans: ['dns:webhooks.leantech.me'],
          eku: ['clientAuth'],
          notAfter: new Date(Date.now() - 1_000),
        }),
      ),
    ...refused,
    reason: 'EXPIRED',
  },
};

describe.each(formats)('FORWARDED_CERT_HEADER=%s', (format) => {
  it.each(Object.entries(cases))('%s', async (_name, { lines, trusted, outcome, reason }) => {
    const server = await startTestServer({
      mode: 'certificate',
      pki: null,
      forwarded: {
        format,
        clients: { anchors: anchorsOf(pki.leanChainPem), crls: null },
        ...(trusted && { trusted }),
      },
    });
    open.push(server);
    const { status, body } = await send({ url: server.url, headers: await lines(format), body: '{}' });
    expect(`${status} ${body}`).toBe(outcome);
    expect(server.kept).toHaveLength(status === 200 ? 1 : 0);
    if (reason === undefined) return;
    await expect.poll(() => server.lines).toMatchObject([{ msg: 'delivery', certificate_reason: reason }]);
    expect((await server.metrics.certificatesRefused.get()).values).toEqual([
      { labels: { reason }, value: 1 },
    ]);
  });
});

/** Lean's own certificate in the words of all other load balancers, of whose names this one reads none. */
function otherSchemes(format: ForwardedFormat): HeaderLine[] {
  const own = new Set(forwardedFormats[format].headers.map((name) => name?.toLowerCase()));
  return formats.flatMap((other) => lean(other)).filter(([name]) => !own.has(name.toLowerCase()));
}

/** By its outline a certificate, of more bytes than the verifier takes and fewer than all headers may have. */
function oversized(format: ForwardedFormat): HeaderLine[] {
  const leafDer = sequence(sequence(), sequence(), bitString(Buffer.alloc(20_100)));
  const lines = forwardedLines(format, { leafDer, intermediatesDer: [] });
  // Envoy would have the leaf in its chain once more.
  return withCertificateValue(format, lines, (value) => value.replace(/;Chain="[^"]*"/, ''));
}
