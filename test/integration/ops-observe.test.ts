// `npm run ops -- certificates observe` shows what a caller presents, says why it would be refused, and lets nobody in.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { observedSecret, observing, type Env } from '../support/observer.ts';
import { issueLeaf, spkiPin, webhookClientName, type Identity } from '../support/pki.ts';

const { pki, files, direct, observe, call, shown } = observing();

const behindNginx = (): Env => ({
  HOST: '127.0.0.1',
  TLS_TERMINATION: 'proxy',
  FORWARDED_CERT_HEADER: 'nginx',
  TRUSTED_PROXIES: '127.0.0.1/32',
  LEAN_CA_FILE: files().leanChain,
  LEAN_CLIENT_NAMES: webhookClientName,
});

const expired = () =>
  issueLeaf({
    issuer: pki().issuers.leanIntermediate,
    sans: [webhookClientName],
    eku: ['clientAuth'],
    notBefore: new Date(Date.now() - 20 * 86_400_000),
    notAfter: new Date(Date.now() - 86_400_000),
  });

describe('where this process ends TLS', () => {
  it('shows Lean’s certificate whole, in the words of LEAN_CLIENT_NAMES, and exits 0', async () => {
    const { facts, code, output } = await shown(direct(), pki().lean.webhookClient, {
      secret: observedSecret,
    });
    expect(facts).toEqual({
      certificate: 'is Lean’s',
      names: webhookClientName,
      key: spkiPin(pki().lean.webhookClient.certPem),
      subject: 'CN=webhooks.leantech.me',
      issuer: expect.stringMatching(/^CN=Lean Issuing CA, O=Lean test$|^O=Lean test, CN=Lean Issuing CA$/),
      'not after': expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      'SHA-256': expect.stringMatching(/^[0-9a-f]{64}$/),
      signature: 'valid',
    });
    expect(output).toMatch(/Z 127\.0\.0\.1 POST \/webhooks\/lean$/m);
    expect(code).toBe(0);
  });

  it('answers 503 with Retry-After even to Lean, so that nothing is lost, and shows no byte of the body', async () => {
    const { reply, output } = await shown(direct(), pki().lean.webhookClient, { secret: observedSecret });
    expect(reply).toMatchObject({ status: 503, headers: { 'retry-after': '60', connection: 'close' } });
    expect(output).not.toContain('not-for-a-terminal');
  });

  it.each<[string, () => Identity | undefined | Promise<Identity>, string]>([
    ['nobody', () => undefined, 'CERTIFICATE_REQUIRED NOT_PRESENTED'],
    ['another customer of Lean', () => pki().otherCustomer, 'CERTIFICATE_NOT_LEAN NOT_ON_LIST'],
    ['a stranger under Lean’s name', () => pki().rogue, 'CERTIFICATE_INVALID ISSUER_NOT_FOUND'],
    ['Lean with an expired certificate', expired, 'CERTIFICATE_INVALID EXPIRED'],
  ])(
    'says why %s would be refused, offers nothing to paste, and exits 1',
    async (_who, identity, refusal) => {
      const { reply, facts, code } = await shown(direct(), await identity(), { secret: 'somebody else’s' });
      expect(reply.status).toBe(503);
      expect(facts).toMatchObject({ certificate: `would be refused: ${refusal}`, signature: 'invalid' });
      expect(facts).not.toHaveProperty('paste');
      expect(code).toBe(1);
    },
  );

  it('offers the name to paste when the signature says that it was Lean', async () => {
    const env = { ...direct(), LEAN_CLIENT_NAMES: 'dns:old.leantech.me' };
    const { facts } = await shown(env, pki().lean.webhookClient, { secret: observedSecret });
    expect(facts).toMatchObject({ paste: `LEAN_CLIENT_NAMES=${webhookClientName}` });
    expect(facts).not.toHaveProperty('only if');
  });

  it('offers it under a condition when there is no secret to tell by', async () => {
    const env = { ...direct(), LEAN_CLIENT_NAMES: undefined, LEAN_WEBHOOK_SECRET: undefined };
    const { facts } = await shown(env, pki().otherCustomer, { secret: observedSecret });
    expect(facts).toMatchObject({
      paste: 'LEAN_CLIENT_NAMES=dns:customer-42.clients.leantech.me',
      'only if': expect.stringContaining('you know that this was Lean'),
    });
  });

  it('offers the key for a certificate that is for servers only', async () => {
    const leaf = await issueLeaf({
      issuer: pki().issuers.leanIntermediate,
      sans: [webhookClientName],
      eku: ['serverAuth'],
    });
    const { facts } = await shown(direct(), leaf, { secret: observedSecret });
    const paste = `LEAN_CLIENT_PURPOSE=serverAuth LEAN_CLIENT_NAMES=${spkiPin(leaf.certPem)}`;
    expect(facts).toMatchObject({ certificate: expect.stringContaining('PURPOSE_NOT_ALLOWED'), paste });
  });

  it('asks for a certificate and shows it without LEAN_CA_FILE too', async () => {
    const { facts, output, code } = await shown({ ...direct(), LEAN_CA_FILE: undefined }, pki().rogue, {
      secret: observedSecret,
    });
    expect(facts).toMatchObject({
      certificate: 'not judged: LEAN_CA_FILE is not set',
      names: webhookClientName,
    });
    expect(output).toContain('certificates are shown and not judged');
    expect(code).toBe(0);
  });

  it('never looks at a forwarding header, only says that one came', async () => {
    const { facts } = await shown(direct(), undefined, { headers: forwarded(pki().lean.webhookClient) });
    expect(facts).toMatchObject({
      certificate: 'would be refused: CERTIFICATE_REQUIRED NOT_PRESENTED',
      headers: expect.stringMatching(/^x-ssl-client-cert, x-ssl-client-verify$/i),
    });
  });

  it('shows a caller that does not trust our own certificate', async () => {
    const observer = await observe(direct());
    await expect(call(observer, undefined, { serverCaPem: pki().leanChainPem })).rejects.toThrow(/./);
    await eventually(() => expect(observer.output()).toMatch(/sent no request: (ECONNRESET|ERR_SSL_)/));
  });

  it('shows what is not TLS at all', async () => {
    const observer = await observe(direct());
    await expect(call(observer, undefined, { url: observer.url.replace('https', 'http') })).rejects.toThrow(
      /./,
    );
    await eventually(() =>
      expect(observer.output()).toContain('ERR_SSL_HTTP_REQUEST (plain HTTP where TLS is spoken)'),
    );
  });

  it('answers a body over the limit without reading it to its end', async () => {
    const env = { ...direct(), BODY_LIMIT_BYTES: '1024' };
    const { reply, facts } = await shown(env, pki().lean.webhookClient, {
      body: 'x'.repeat(2_000),
      chunked: true,
      secret: observedSecret,
    });
    expect(reply.status).toBe(503);
    expect(facts).toMatchObject({ signature: 'not judged: the body is over BODY_LIMIT_BYTES' });
  });
});

function forwarded({ certPem }: Identity, verify = 'SUCCESS'): [string, string][] {
  return [
    ['X-SSL-Client-Cert', encodeURIComponent(certPem)],
    ['X-SSL-Client-Verify', verify],
  ];
}

describe('behind a load balancer that ended TLS', () => {
  it('shows the certificate out of the header', async () => {
    const { reply, facts, code } = await shown(behindNginx(), undefined, {
      headers: forwarded(pki().lean.webhookClient),
    });
    expect(reply.status).toBe(503);
    expect(facts).toMatchObject({ certificate: 'is Lean’s', names: webhookClientName });
    expect(code).toBe(0);
  });

  it('says what a header of somebody else would need to be believed', async () => {
    const env = { ...behindNginx(), TRUSTED_PROXIES: '10.0.0.5/32' };
    const { facts } = await shown(env, undefined, { headers: forwarded(pki().lean.webhookClient) });
    expect(facts).toMatchObject({
      certificate: 'would be refused: CERTIFICATE_INVALID PROXY_NOT_TRUSTED',
      paste: 'TRUSTED_PROXIES=127.0.0.1/32',
      'only if': 'this address is your load balancer',
    });
  });

  it('says that two headers came', async () => {
    const headers = [...forwarded(pki().lean.webhookClient), ...forwarded(pki().otherCustomer)];
    const { facts } = await shown(behindNginx(), undefined, { headers });
    expect(facts).toMatchObject({ certificate: 'would be refused: CERTIFICATE_INVALID HEADER_REPEATED' });
  });

  it('names the headers that arrive while FORWARDED_CERT_HEADER is not chosen yet', async () => {
    const env = { HOST: '127.0.0.1', TLS_TERMINATION: 'proxy' };
    const { facts } = await shown(env, undefined, { headers: [['X-Amzn-Mtls-Clientcert', 'x']] });
    expect(facts).toMatchObject({ headers: expect.stringMatching(/^x-amzn-mtls-clientcert$/i) });
  });
});
