// The log says whom a receiver trusts, and what of that needs a look soon.
import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { reportTrust } from '../../src/receiver/trust-report.ts';
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
