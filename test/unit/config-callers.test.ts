// The rules about who gets in: VERIFY, its shadow and what a proxy's word needs, and what deserves a warning of it.
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { problemsOf, receiverEnv as receiver } from '../support/config-problems.ts';

const behindProxy = {
  TLS_TERMINATION: 'proxy',
  FORWARDED_CERT_HEADER: 'haproxy',
  TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7, ::1',
};

describe('who gets in', () => {
  it.each([
    ['a shadow of a signature that decides already', { VERIFY_SHADOW: 'signature' }, 'VERIFY_SHADOW'],
    ['a shadow of a certificate that decides already', { VERIFY_SHADOW: 'certificate' }, 'VERIFY_SHADOW'],
    [
      'a shadow of the certificate without an authority',
      { VERIFY: 'signature', VERIFY_SHADOW: 'certificate', LEAN_CA_FILE: '' },
      'LEAN_CA_FILE',
    ],
    [
      'a shadow of the signature without a secret',
      { VERIFY: 'certificate', VERIFY_SHADOW: 'signature', LEAN_WEBHOOK_SECRET: '' },
      'LEAN_WEBHOOK_SECRET',
    ],
    [
      'a certificate behind a proxy without the header to read',
      { TLS_TERMINATION: 'proxy', TRUSTED_PROXIES: '10.0.0.0/8' },
      'FORWARDED_CERT_HEADER',
    ],
    [
      'a certificate behind a proxy that nobody trusts',
      { TLS_TERMINATION: 'proxy', FORWARDED_CERT_HEADER: 'nginx' },
      'TRUSTED_PROXIES',
    ],
    [
      'a shadow of the certificate behind a proxy that nobody trusts',
      {
        VERIFY: 'signature',
        VERIFY_SHADOW: 'certificate',
        TLS_TERMINATION: 'proxy',
        FORWARDED_CERT_HEADER: 'nginx',
      },
      'TRUSTED_PROXIES',
    ],
    [
      'a forwarded certificate where TLS ends here',
      { FORWARDED_CERT_HEADER: 'nginx', TRUSTED_PROXIES: '10.0.0.0/8' },
      'FORWARDED_CERT_HEADER',
    ],
    ['PROXY_PROTOCOL=on from nobody', { PROXY_PROTOCOL: 'on' }, 'TRUSTED_PROXIES'],
    ...['0.0.0.0/0', '10.0.0.0/8,::/0', '::ffff:0:0/96', '0:0:0:0:0:FFFF:0.0.0.0/90'].map(
      (networks) =>
        [
          `everybody as a proxy: ${networks}`,
          { PROXY_PROTOCOL: 'on', TRUSTED_PROXIES: networks },
          'TRUSTED_PROXIES',
        ] as const,
    ),
  ] as const)('refuses %s', (_, changes, name) => {
    const problems = problemsOf('receiver', { ...receiver, ...changes });
    expect(problems.map((line) => line.split(' ', 1)[0])).toEqual([name]);
  });

  it('lets a proxy end TLS in front of a receiver that checks signatures', () => {
    const { TLS_CERT_FILE: _cert, TLS_KEY_FILE: _key, ...others } = receiver;
    const env = { ...others, TLS_TERMINATION: 'proxy', VERIFY: 'signature' };
    expect(loadConfig('receiver', env)).toMatchObject({ TLS_TERMINATION: 'proxy', warnings: [] });
  });

  it('lets a trusted proxy forward the certificate', () => {
    const { TLS_CERT_FILE: _cert, TLS_KEY_FILE: _key, ...others } = receiver;
    const config = loadConfig('receiver', { ...others, ...behindProxy });
    expect(config).toMatchObject({
      FORWARDED_CERT_HEADER: 'haproxy',
      TRUSTED_PROXIES: ['10.0.0.0/8', '192.0.2.7/32', '::1/128'],
      warnings: [],
    });
  });

  it.each([
    ['the certificate, without a name for it yet', { VERIFY: 'signature', VERIFY_SHADOW: 'certificate' }],
    ['the signature', { VERIFY: 'certificate', VERIFY_SHADOW: 'signature' }],
    ['the certificate beside nothing', { VERIFY: 'none', VERIFY_SHADOW: 'certificate' }],
    ['the signature beside nothing', { VERIFY: 'none', VERIFY_SHADOW: 'signature' }],
  ])('lets a shadow be %s', (_which, changes) => {
    const names = changes.VERIFY === 'certificate' ? {} : { LEAN_CLIENT_NAMES: '' };
    expect(problemsOf('receiver', { ...receiver, ...changes, ...names })).toEqual([]);
    expect(problemsOf('receiver', { ...receiver, ...changes, ...names, ...behindProxy })).toEqual([]);
  });
});

describe('a warning', () => {
  it('says that a certificate alone proves no addressee', () => {
    const { warnings } = loadConfig('receiver', { ...receiver, VERIFY: 'certificate' });
    expect(warnings).toMatchObject([{ code: 'ADDRESSEE_UNPROVEN', variable: 'VERIFY' }]);
  });

  it('says that a certificate alone behind a proxy can be sent by anybody who goes past it', () => {
    const { warnings } = loadConfig('receiver', { ...receiver, ...behindProxy, VERIFY: 'certificate' });
    expect(warnings).toMatchObject([
      { code: 'ADDRESSEE_UNPROVEN' },
      { code: 'CERTIFICATE_ALONE_BEHIND_PROXY', problem: expect.stringContaining('ANYBODY') },
    ]);
  });

  it.each([
    ['TRUSTED_PROXIES', { TRUSTED_PROXIES: '10.0.0.0/8' }],
    ['TRUSTED_PROXIES', { TLS_TERMINATION: 'proxy', VERIFY: 'signature', TRUSTED_PROXIES: '10.0.0.0/8' }],
    [
      'FORWARDED_CERT_HEADER',
      { TLS_TERMINATION: 'proxy', VERIFY: 'signature', FORWARDED_CERT_HEADER: 'envoy' },
    ],
  ])('says that %s is used by nothing', (variable, changes) => {
    expect(loadConfig('receiver', { ...receiver, ...changes }).warnings).toMatchObject([{ variable }]);
  });

  it('is not given for proxies whose PROXY header is read', () => {
    const changes = { PROXY_PROTOCOL: 'on', TRUSTED_PROXIES: '10.0.0.0/8' };
    expect(loadConfig('receiver', { ...receiver, ...changes }).warnings).toEqual([]);
  });

  it('says loudly that nothing is verified', () => {
    const { warnings } = loadConfig('receiver', { ...receiver, VERIFY: 'none' });
    expect(warnings).toMatchObject([{ variable: 'VERIFY', problem: expect.stringContaining('ANYBODY') }]);
  });
});
