// Looking at a method that decides nothing: what is printed of certificates stays within bounds, and nothing throws.
import { expect, it } from 'vitest';
import { createCertificateObserver, judgeInShadow } from '../../src/receiver/shadow-verdict.ts';
import type { PeerCertificate } from '../../src/tls/judge-certificate.ts';
import { collectLines } from '../support/receiver-server.ts';

const agreed = { method: 'certificate', verdict: 'agreed', reason: null } as const;

function peer(sha256: string, leafDer = new Uint8Array()): PeerCertificate {
  const chain = { verdict: 'reject', reason: 'EXPIRED', signatureChecks: 0 } as const;
  return { sha256, leafDer, names: '', keyPin: '', chain, isVerifiedByTls: null, isLean: false };
}

it('prints a certificate again only when so many others came in between that it is forgotten', () => {
  const { lines, logger } = collectLines();
  const observe = createCertificateObserver(logger);
  for (let number = 0; number < 64; number += 1) observe(peer(String(number)), agreed);
  for (let number = 0; number < 64; number += 1) observe(peer(String(number)), agreed);
  expect(lines).toHaveLength(64);
  observe(peer('64'), agreed);
  observe(peer('1'), agreed);
  expect(lines).toHaveLength(65);
  observe(peer('0'), agreed);
  expect(lines).toHaveLength(66);
});

it('prints one that OpenSSL cannot read without its date', () => {
  const { lines, logger } = collectLines();
  createCertificateObserver(logger)(peer('00', Buffer.from([0x30, 0x00])), agreed);
  expect(lines).toMatchObject([{ msg: 'certificate_observed', certificate_sha256: '00', shadow: 'agreed' }]);
  expect(lines[0]).not.toHaveProperty('not_after');
});

it('takes a failure of the judgement for a refusal, and hands it to the log', () => {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  expect(judgeInShadow('signature', { judge: failing, onError })).toEqual({
    method: 'signature',
    verdict: 'would_refuse',
    reason: 'NOT_JUDGED',
  });
  expect(errors).toHaveLength(1);
});

function failing(): never {
  throw new TypeError('of the test');
}
