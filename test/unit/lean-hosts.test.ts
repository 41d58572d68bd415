import { describe, expect, it } from 'vitest';
import { leanApiUrl, leanAuthUrl } from '../../src/lean/lean-hosts.ts';

describe('leanApiUrl', () => {
  it.each([
    // environment, region, LEAN_CERT_FILE, LEAN_CLIENT_SECRET
    ['sandbox', 'ae', false, false, 'https://sandbox.leantech.me'],
    ['sandbox', 'sa', false, false, 'https://sandbox.sa.leantech.me'],
    ['sandbox', 'ae', true, false, 'https://mtls.sandbox.leantech.me'],
    ['sandbox', 'sa', true, false, 'https://mtls.sandbox.sa.leantech.me'],
    ['sandbox', 'ae', false, true, 'https://sandbox.leantech.me'],
    ['sandbox', 'sa', false, true, 'https://sandbox.sa.leantech.me'],
    ['sandbox', 'ae', true, true, 'https://mtls.sandbox.leantech.me'],
    ['sandbox', 'sa', true, true, 'https://mtls.sandbox.sa.leantech.me'],
    ['production', 'ae', true, false, 'https://api.leantech.me'],
    ['production', 'sa', true, false, 'https://api.sa.leantech.me'],
    ['production', 'ae', false, true, 'https://api2.leantech.me'],
    ['production', 'sa', false, true, 'https://api2.sa.leantech.me'],
    ['production', 'ae', true, true, 'https://api2.leantech.me'],
    ['production', 'sa', true, true, 'https://api2.sa.leantech.me'],
  ] as const)(
    '%s %s, certificate %s, OAuth2 %s: %s',
    (environment, region, hasCertificate, hasClientSecret, apiUrl) => {
      expect(leanApiUrl({ environment, region, hasCertificate, hasClientSecret })).toBe(apiUrl);
    },
  );

  it('lets an override win, without its last slash', () => {
    const facts = { environment: 'production', region: 'ae', hasClientSecret: false } as const;
    const apiUrl = 'https://127.0.0.1:4433/';
    expect(leanApiUrl({ ...facts, hasCertificate: true, apiUrl })).toBe('https://127.0.0.1:4433');
  });
});

describe('leanAuthUrl', () => {
  it.each([
    ['sandbox', 'ae', 'https://auth.sandbox.leantech.me'],
    ['sandbox', 'sa', 'https://auth.sandbox.sa.leantech.me'],
    ['production', 'ae', 'https://auth.leantech.me'],
    ['production', 'sa', 'https://auth.sa.leantech.me'],
  ] as const)('%s %s: %s', (environment, region, authUrl) => {
    expect(leanAuthUrl({ environment, region })).toBe(authUrl);
  });

  it('lets an override win, without its last slash', () => {
    const authUrl = 'https://127.0.0.1:4434/';
    expect(leanAuthUrl({ environment: 'production', region: 'ae', authUrl })).toBe('https://127.0.0.1:4434');
  });
});
