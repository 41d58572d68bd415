// The one judgement about a certificate: every part of it has to say yes.
import { expect, it } from 'vitest';
import { judgeCertificate, type PeerCertificate } from '../../src/tls/judge-certificate.ts';
import type { ChainVerdict } from '../../src/tls/certificate-chain.ts';

const accepted: ChainVerdict = {
  verdict: 'accept',
  signatureChecks: 2,
  chain: {
    path: [],
    keyPins: [],
    names: { dns: [], uri: [] },
    validFrom: new Date(0),
    validUntil: new Date(1),
    crlsCurrentUntil: null,
  },
};
const refused = (reason: 'EXPIRED' | 'KEY_PIN_REQUIRED'): Partial<PeerCertificate> => ({
  chain: { verdict: 'reject', reason, signatureChecks: 0 },
});
const lean: PeerCertificate = {
  sha256: '00',
  leafDer: new Uint8Array(),
  keyPin: '',
  names: 'dns:webhooks.leantech.me',
  chain: accepted,
  isVerifiedByTls: true,
  isLean: true,
};

it.each<[string, Partial<PeerCertificate>]>([
  ['when the handshake verified it too', {}],
  ['when the handshake is not asked', { isVerifiedByTls: null }],
])("a certificate is Lean's %s", (_when, changes) => {
  expect(judgeCertificate({ kind: 'presented', peer: { ...lean, ...changes } })).toBeNull();
});

it.each<[string, Partial<PeerCertificate> | null, string, string]>([
  ['that is not there', null, 'CERTIFICATE_REQUIRED', 'NOT_PRESENTED'],
  ['whose chain does not stand', refused('EXPIRED'), 'CERTIFICATE_INVALID', 'EXPIRED'],
  [
    'that the handshake did not verify',
    { isVerifiedByTls: false },
    'CERTIFICATE_INVALID',
    'HANDSHAKE_UNVERIFIED',
  ],
  ['that is not on the list', { isLean: false }, 'CERTIFICATE_NOT_LEAN', 'NOT_ON_LIST'],
  ['whose key is not pinned', refused('KEY_PIN_REQUIRED'), 'CERTIFICATE_NOT_LEAN', 'KEY_PIN_REQUIRED'],
])('a certificate %s is refused', (_which, changes, code, reason) => {
  const peer = changes && { ...lean, ...changes };
  expect(judgeCertificate(peer ? { kind: 'presented', peer } : { kind: 'absent' })).toEqual({ code, reason });
});
