// A whole receiver behind a load balancer, from its environment: what it says at the start, whom it lets in, and that the
// bundle on its disk may change although it has no certificate of its own.
import { rename, writeFile } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startReceiver, type RunningReceiver } from '../../src/receiver/start-receiver.ts';
import { forwardedLines } from '../support/forwarded-headers.ts';
import { send, type Sending } from '../support/lean-sender.ts';
import { createPki, spkiPin, webhookClientName, type Identity } from '../support/pki.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';

interface Started extends ReceiverSettings {
  readonly receiver: RunningReceiver;
  readonly lines: Record<string, unknown>[];
}

const open: Started[] = [];
afterEach(async () => {
  await Promise.all(
    open.splice(0).map(async (started) => {
      await started.receiver.close({ delayMs: 0 });
      await started.remove();
    }),
  );
});

async function start(changes: Record<string, string>): Promise<Started> {
  const settings = await receiverSettings({
    TLS_TERMINATION: 'proxy',
    TLS_CERT_FILE: '',
    TLS_KEY_FILE: '',
    TRUSTED_PROXIES: '127.0.0.1',
    ...changes,
  });
  const { lines, logger } = collectLines();
  const receiver = await startReceiver({
    config: loadConfig('receiver', settings.env),
    logger,
    metrics: createMetrics({ processMetrics: false }),
    readiness: createReadiness(),
    reloadIntervalMs: 10,
  });
  const started = { ...settings, receiver, lines };
  open.push(started);
  return started;
}

function deliver(started: Started, client: Identity, changes: Partial<Sending> = {}) {
  const { origin, pathname } = new URL(started.receiver.url);
  const headers = forwardedLines('nginx', client);
  return send(fromLean({ url: origin }, started.pki, { path: pathname, headers, ...changes }));
}

const linesOf = ({ lines }: Started, msg: string) => lines.filter((line) => line['msg'] === msg);
const nginx = { FORWARDED_CERT_HEADER: 'nginx' };

it('says from whom what is believed, and lets Lean in and nobody else', async () => {
  const started = await start(nginx);
  expect(started.receiver.url).toMatch(/^http:/);
  expect(linesOf(started, 'caller_trust')).toMatchObject([
    {
      tls_ends_at: 'proxy',
      certificate_from: 'trusted proxies',
      forwarded_headers: 'X-SSL-Client-Cert,X-SSL-Client-Verify',
      proxy_protocol: 'off',
      trusted_proxies: '127.0.0.1/32',
    },
  ]);
  expect(linesOf(started, 'trust_anchor')).toHaveLength(1);
  expect(linesOf(started, 'config_warning')).toEqual([]);
  const { lean, otherCustomer } = started.pki;
  expect(await deliver(started, lean.webhookClient)).toMatchObject({ status: 200 });
  expect(await deliver(started, lean.webhookClient, { secret: 'wrong' })).toMatchObject({ status: 401 });
  expect(await deliver(started, otherCustomer)).toMatchObject({ status: 403 });
  expect(await deliver(started, lean.webhookClient, { headers: [] })).toMatchObject({
    status: 401,
    body: '{"code":"CERTIFICATE_REQUIRED"}',
  });
});

it('believes nobody but the proxies that are named', async () => {
  const started = await start({ ...nginx, TRUSTED_PROXIES: '10.0.0.0/8' });
  expect(await deliver(started, started.pki.lean.webhookClient)).toMatchObject({
    status: 401,
    body: '{"code":"CERTIFICATE_INVALID"}',
  });
});

it('takes a changed bundle up, and keeps the one in force when the new one is none', async () => {
  const started = await start(nginx);
  const { files, pki } = started;
  expect(await deliver(started, pki.lean.webhookClient)).toMatchObject({ status: 200 });
  const replace = async (content: string) => {
    await writeFile(`${files.leanChain}.new`, content);
    await rename(`${files.leanChain}.new`, files.leanChain);
  };
  await replace('no certificate');
  await expect
    .poll(() => linesOf(started, 'material_reloaded'))
    .toMatchObject([{ material: 'lean_chain', outcome: 'refused' }]);
  expect(await deliver(started, pki.lean.webhookClient)).toMatchObject({ status: 200 });
  const next = await createPki();
  await replace(next.leanChainPem);
  await expect.poll(() => linesOf(started, 'material_reloaded').at(-1)).toMatchObject({ outcome: 'loaded' });
  expect(await deliver(started, pki.lean.webhookClient)).toMatchObject({ status: 401 });
  expect(await deliver(started, next.lean.webhookClient)).toMatchObject({ status: 200 });
});

it('shows an operator who begins with the signature what to put into LEAN_CLIENT_NAMES', async () => {
  const started = await start({
    ...nginx,
    VERIFY: 'signature',
    VERIFY_SHADOW: 'certificate',
    LEAN_CLIENT_NAMES: '',
  });
  const { webhookClient } = started.pki.lean;
  expect(await deliver(started, webhookClient)).toMatchObject({ status: 200 });
  await expect
    .poll(() => linesOf(started, 'certificate_observed'))
    .toMatchObject([
      {
        certificate_names: webhookClientName,
        key_pin: spkiPin(webhookClient.certPem),
        shadow: 'would_refuse',
        reason: 'NOT_ON_LIST',
      },
    ]);
});

it('warns once of a format that nobody tried against the real proxy', async () => {
  const started = await start({ FORWARDED_CERT_HEADER: 'traefik' });
  expect(linesOf(started, 'config_warning')).toMatchObject([{ failure_code: 'UNPROVEN' }]);
});
