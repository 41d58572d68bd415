// The rules about who gets in: VERIFY, its shadow and what a proxy's word needs, and what deserves a warning of it.
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { problemsOf, receiverEnv as receiver } from '../support/config-problems.ts';

/** TLS ends elsewhere, so there are no files for it. */
const noTlsFiles = { TLS_CERT_FILE: '', TLS_KEY_FILE: '' };
const behindProxy = {
  ...noTlsFiles,
  TLS_TERMINATION: 'proxy',
  FORWARDED_CERT_HEADER: 'haproxy',
  TRUSTED_PROXIES: '10.0.0.0/8, 192.0.2.7, ::1',
};

const tooWide = [
  '0.0.0.0/0',
  '10.0.0.0/8,::/0',
  '0.0.0.0/1,128.0.0.0/1',
  '0.0.0.0/2',
  '10.0.0.0/7',
  '::ffff:0:0/96',
  '0:0:0:0:0:FFFF:0.0.0.0/90',
  '::ffff:0.0.0.0/97,::ffff:128.0.0.0/97',
  '::FFFF:a00:0/103',
  '::/96',
  '::/17',
  '2000::/3',
  '8000::/1',
  '2001::/15',
  'fe80::/10',
  'fc00::/6',
];

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
    [
      'a forwarded certificate behind a PROXY header, which anybody can get passed on',
      { ...behindProxy, PROXY_PROTOCOL: 'on' },
      'PROXY_PROTOCOL',
    ],
    [
      'the same in the shadow',
      {
        ...behindProxy,
        VERIFY: 'signature',
        VERIFY_SHADOW: 'certificate',
        PROXY_PROTOCOL: 'on',
      },
      'PROXY_PROTOCOL',
    ],
    ...tooWide.map(
      (networks) =>
        [
          `too many as proxies: ${networks}`,
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

  it.each([
    '10.0.0.0/8',
    '::ffff:10.0.0.0/104',
    '2001::/16',
    'fc00::/7',
    'fd00::/8',
    '::1',
    '::1/128',
    '192.0.2.7',
  ])('takes the word of %s', (networks) => {
    const changes = { PROXY_PROTOCOL: 'on', TRUSTED_PROXIES: networks };
    expect(problemsOf('receiver', { ...receiver, ...changes })).toEqual([]);
  });

  it('lets a PROXY header tell addresses where a proxy ends TLS and nobody reads a certificate', () => {
    const changes = { ...behindProxy, VERIFY: 'signature', PROXY_PROTOCOL: 'on' };
    expect(problemsOf('receiver', { ...receiver, ...changes })).toEqual([]);
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
    [
      'TRUSTED_PROXIES',
      { ...noTlsFiles, TLS_TERMINATION: 'proxy', VERIFY: 'signature', TRUSTED_PROXIES: '10.0.0.0/8' },
    ],
    [
      'FORWARDED_CERT_HEADER',
      { ...noTlsFiles, TLS_TERMINATION: 'proxy', VERIFY: 'signature', FORWARDED_CERT_HEADER: 'envoy' },
    ],
    ['TLS_CERT_FILE', { TLS_TERMINATION: 'proxy', VERIFY: 'signature' }],
  ])('says that %s is used by nothing', (variable, changes) => {
    expect(loadConfig('receiver', { ...receiver, ...changes }).warnings).toMatchObject([{ variable }]);
  });

  it('is not given for proxies whose PROXY header is read', () => {
    const changes = { PROXY_PROTOCOL: 'on', TRUSTED_PROXIES: '10.0.0.0/8' };
    expect(loadConfig('receiver', { ...receiver, ...changes }).warnings).toEqual([]);
  });

  it.each([
    ['the only secret', 'fifteen-letters', 1],
    ['one of two', 'whsec-new-secret, short', 1],
    ['none', 'sixteen-letters!', 0],
  ])('counts the characters of a secret, never shows one: %s is too short', (_which, secrets, count) => {
    const { warnings } = loadConfig('receiver', { ...receiver, LEAN_WEBHOOK_SECRET: secrets });
    expect(warnings.map(({ variable }) => variable)).toEqual(
      Array.from({ length: count }, () => 'LEAN_WEBHOOK_SECRET'),
    );
    expect(JSON.stringify(warnings)).not.toMatch(/fifteen|short"/);
  });

  it('says loudly that nothing is verified', () => {
    const { warnings } = loadConfig('receiver', { ...receiver, VERIFY: 'none' });
    expect(warnings).toMatchObject([{ variable: 'VERIFY', problem: expect.stringContaining('ANYBODY') }]);
  });
});
