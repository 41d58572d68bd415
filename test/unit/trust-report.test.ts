// The log says whose word a receiver takes about its callers, and what of that needs a look soon.
import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { reportCallerTrust, reportTrust } from '../../src/receiver/trust-report.ts';
import {
  rsaKeys,
  testNow,
  toPem,
  writeAuthority,
  writeRevocationList,
} from '../support/certificate-writer.ts';
import { anchorsOf, collectLines, crlsOf } from '../support/receiver-server.ts';

const dayMs = 86_400_000;
const root = writeAuthority();

function linesAbout(nextUpdateDays: readonly number[]) {
  const weak = writeAuthority({ keys: rsaKeys(1024) });
  const lists = nextUpdateDays.map((days) => {
    const nextUpdate = new Date(testNow.getTime() + days * dayMs);
    return toPem(writeRevocationList({ issuer: root, nextUpdate }), 'X509 CRL');
  });
  const { lines, logger } = collectLines();
  const anchors = anchorsOf(toPem(root.der) + toPem(weak.der));
  reportTrust({ anchors, crls: crlsOf(...lists) }, { logger, now: testNow });
  return lines;
}

it('names each anchor once with its hash, and each certificate that is not used with its reason', () => {
  const sha256 = new X509Certificate(root.der).fingerprint256.replaceAll(':', '').toLowerCase();
  expect(linesAbout([])).toMatchObject([
    { level: 'info', msg: 'trust_anchor', sha256, days_left: 213 },
    {
      level: 'warn',
      msg: 'material_warning',
      material: 'lean_chain',
      problem: 'certificate 2 of LEAN_CA_FILE is not used: KEY_NOT_ALLOWED',
    },
  ]);
});

it('warns of a list from a week before its next update on', () => {
  const warnings = linesAbout([7, 6.9, 0]).filter(({ material }) => material === 'lean_crl');
  expect(warnings).toMatchObject([
    { level: 'warn', problem: expect.stringMatching(/^revocation list 2 .*less than 7 days/), days_left: 6 },
    { level: 'warn', problem: expect.stringMatching(/^revocation list 3 .*is outdated/), days_left: 0 },
  ]);
});

const settings = {
  LEAN_ENVIRONMENT: 'sandbox',
  LEAN_REGION: 'ae',
  REDIS_URL: 'redis://r:1',
  TLS_CERT_FILE: 'tls.crt',
  TLS_KEY_FILE: 'tls.key',
  LEAN_CA_FILE: 'lean.pem',
  LEAN_CLIENT_NAMES: 'dns:webhooks.leantech.me',
  LEAN_WEBHOOK_SECRET: 'secret',
};
const proxy = { TLS_TERMINATION: 'proxy', TRUSTED_PROXIES: '10.0.0.0/8,192.0.2.1' };

it.each([
  ['a signature alone', { VERIFY: 'signature' }, { certificate_from: 'nobody', proxy_protocol: 'off' }],
  [
    'a certificate of the connection, and addresses of a TCP load balancer',
    { VERIFY: 'certificate+signature', PROXY_PROTOCOL: 'on', TRUSTED_PROXIES: '10.0.0.0/8' },
    { certificate_from: 'the TLS connection', proxy_protocol: 'on', trusted_proxies: '10.0.0.0/8' },
  ],
  [
    'a certificate in the shadow',
    { VERIFY: 'signature', VERIFY_SHADOW: 'certificate' },
    { certificate_from: 'the TLS connection' },
  ],
  [
    'a forwarded certificate',
    { ...proxy, VERIFY: 'certificate+signature', FORWARDED_CERT_HEADER: 'haproxy' },
    {
      tls_ends_at: 'proxy',
      certificate_from: 'trusted proxies',
      forwarded_headers: 'X-SSL-Client-Cert,X-SSL-Client-Chain',
      trusted_proxies: '10.0.0.0/8,192.0.2.1/32',
    },
  ],
  [
    'a signature behind a proxy whose header nobody reads',
    { ...proxy, VERIFY: 'signature', FORWARDED_CERT_HEADER: 'envoy' },
    { tls_ends_at: 'proxy', certificate_from: 'nobody' },
  ],
])('says in one line from whom what is believed: %s', (_what, changes, facts) => {
  const { lines, logger } = collectLines();
  reportCallerTrust(loadConfig('receiver', { ...settings, ...changes }), logger);
  expect(lines).toMatchObject([{ level: 'info', msg: 'caller_trust', ...facts }]);
});

it.each([
  ['rfc9440', true],
  ['envoy', true],
  ['nginx', false],
  ['haproxy', false],
  ['aws-alb-verify', true],
  ['aws-alb-passthrough', true],
  ['traefik', true],
])('says once of %s whether nobody tried it against the real proxy: %s', (format, isUnproven) => {
  const { lines, logger } = collectLines();
  const changes = { ...proxy, VERIFY: 'certificate+signature', FORWARDED_CERT_HEADER: format };
  reportCallerTrust(loadConfig('receiver', { ...settings, ...changes }), logger);
  expect(lines.filter(({ msg }) => msg === 'config_warning')).toMatchObject(
    isUnproven ? [{ level: 'warn', failure_code: 'UNPROVEN', variable: 'FORWARDED_CERT_HEADER' }] : [],
  );
});
