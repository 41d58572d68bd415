// What `ops -- doctor` makes of the ways in which a public address can answer somebody who is not Lean, or end.
import { describe, expect, it } from 'vitest';
import { judgePublicPath, judgePublicTls, judgeStranger } from '../../src/operations/doctor-public.ts';

describe('PUBLIC_URL', () => {
  const nothing = { isTrusted: null, trustError: null, httpStatus: null, refusalCode: null };
  /** Under TLS 1.3 the handshake is over before a certificate is missed. */
  const ended = (networkError: string) => ({ ...nothing, isTrusted: true, networkError });
  const answered = (httpStatus: number, refusalCode: string | null = null) => ({
    ...nothing,
    isTrusted: true,
    httpStatus,
    refusalCode,
    networkError: null,
  });
  const demand = ended('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  const perhaps = ['ECONNRESET', 'EPIPE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'].map(ended);
  const broken = ['HPE_INVALID_CONSTANT', 'NO_ANSWER', 'ERR_SSL_WRONG_VERSION_NUMBER'].map(ended);
  const open = { demandsCertificate: false, isBehindProxy: false };
  const demanding = { demandsCertificate: true, isBehindProxy: false };
  const proxied = { demandsCertificate: true, isBehindProxy: true };
  const paths = { asked: '/webhooks/lean', path: '/webhooks/lean' };

  it('that demands a certificate in so many words is well', () => {
    for (const got of [demand, { ...demand, isTrusted: null }]) {
      expect(judgePublicTls(got, demanding).state).toBe('ok');
      expect(judgePublicPath(got, { ...paths, ...demanding }).state).toBe('ok');
      expect(judgePublicPath(got, { ...paths, ...demanding, asked: '/else' }).state).toBe('warning');
      expect(judgeStranger(got, demanding).state).toBe('ok');
    }
  });

  it('that only breaks off may be dead, so that is a warning', () => {
    for (const got of perhaps) {
      expect(judgeStranger(got, demanding)).toMatchObject({
        state: 'warning',
        message: expect.stringContaining(got.networkError),
      });
      expect(judgePublicTls({ ...got, isTrusted: null }, demanding).state).toBe('warning');
    }
  });

  it('that breaks off where no certificate is demanded, or speaks no HTTP, is a problem', () => {
    for (const got of [demand, ...perhaps, ...broken]) {
      expect(judgePublicTls({ ...got, isTrusted: null }, open).state).toBe('problem');
      expect(judgePublicPath(got, { ...paths, ...open }).state).toBe('problem');
      expect(judgeStranger(got, open).state).toBe('problem');
    }
    for (const got of broken) {
      expect(judgePublicTls({ ...got, isTrusted: null }, demanding).state).toBe('problem');
      expect(judgePublicPath(got, { ...paths, ...demanding }).state).toBe('problem');
      expect(judgeStranger(got, demanding).state).toBe('problem');
    }
  });

  it('refuses a stranger well in a receiver’s words, or where nginx demands the certificate', () => {
    for (const rules of [open, demanding, proxied]) {
      expect(judgeStranger(answered(401, 'SIGNATURE_MISSING'), rules).state).toBe('ok');
      expect(judgeStranger(answered(403, 'CERTIFICATE_NOT_LEAN'), rules).state).toBe('ok');
      expect(judgeStranger(answered(200), rules).state).toBe('problem');
      for (const status of [301, 401, 403, 404, 503])
        expect(judgeStranger(answered(status), rules).state).toBe('warning');
    }
    expect([open, demanding, proxied].map((rules) => judgeStranger(answered(400), rules).state)).toEqual([
      'warning',
      'warning',
      'ok',
    ]);
  });

  it('takes POST only at that path; who refuses before looking must be expected to', () => {
    for (const rules of [open, demanding, proxied]) {
      expect(judgePublicPath(answered(405), { ...paths, ...rules }).state).toBe('ok');
      expect(judgePublicPath(answered(401, 'CERTIFICATE_REQUIRED'), { ...paths, ...rules }).state).toBe('ok');
      for (const status of [200, 302, 404, 502])
        expect(judgePublicPath(answered(status), { ...paths, ...rules }).state).toBe('problem');
    }
    for (const status of [400, 401, 403]) {
      expect(judgePublicPath(answered(status), { ...paths, ...proxied }).state).toBe('ok');
      for (const rules of [open, demanding])
        expect(judgePublicPath(answered(status), { ...paths, ...rules }).state).toBe('warning');
    }
  });
});
