// A whole receiver: real journal, certificates from files, Redis down. What is replaced on disk is picked up,
// what cannot work does not start.
import { X509Certificate } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { createReadiness, type Readiness } from '../../src/observability/readiness.ts';
import { startReceiver, type RunningReceiver } from '../../src/receiver/start-receiver.ts';
import { send, type Sending } from '../support/lean-sender.ts';
import { createPki, issueLeaf, spkiPin } from '../support/pki.ts';
import { collectLines, fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';
import { createRevocationList } from '../support/revocation-list.ts';

interface Started extends ReceiverSettings {
  readonly receiver: RunningReceiver;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly lines: Record<string, unknown>[];
}

const open: Started[] = [];
const folders: ReceiverSettings[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map(({ receiver }) => receiver.close({ delayMs: 0 })));
  await Promise.all(folders.splice(0).map((settings) => settings.remove()));
});

async function start(changes: Record<string, string> = {}, prepared?: ReceiverSettings): Promise<Started> {
  const settings = prepared ?? (await receiverSettings(changes));
  if (!prepared) folders.push(settings);
  const { lines, logger } = collectLines();
  const readiness = createReadiness();
  const metrics = createMetrics({ processMetrics: false });
  const receiver = await startReceiver({
    config: loadConfig('receiver', { ...settings.env, ...changes }),
    logger,
    metrics,
    readiness,
    reloadIntervalMs: 10,
  });
  const started = { ...settings, receiver, readiness, metrics, lines };
  open.push(started);
  return started;
}

function deliver(started: Started, changes: Partial<Sending> = {}) {
  const { origin, pathname } = new URL(started.receiver.url);
  return send(fromLean({ url: origin }, started.pki, { path: pathname, ...changes }));
}

/** As an operator's tool does it: a new file takes the old one's place in one step. */
async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

it('answers 200 and keeps the event when Redis is down from the start', async () => {
  const started = await start();
  expect(await deliver(started)).toMatchObject({ status: 200, body: '{"outcome":"accepted"}' });
  expect(started.readiness.report()).toMatchObject({ ready: true });
  await started.receiver.close({ delayMs: 0 });
  expect(started.lines).toContainEqual(
    expect.objectContaining({ msg: 'shutdown', phase: 'closed', rows_left: 1 }),
  );
});

it('turns unready at once when it shuts down, and serves on for the delay', async () => {
  const started = await start();
  const closed = started.receiver.close({ delayMs: 2_000 });
  expect(started.readiness.report()).toMatchObject({ ready: false, checks: { serving: { ok: false } } });
  expect(await deliver(started)).toMatchObject({ status: 200 });
  await closed;
  await expect(deliver(started)).rejects.toThrow(/./);
});

it('finishes what is in flight before it ends, and says that the connection closes', async () => {
  const started = await start({ ACK_AFTER: 'stored', ACK_DEADLINE_MS: '2000' });
  const reply = deliver(started);
  await expect.poll(async () => (await started.metrics.inFlight.get()).values[0]?.value).toBe(1);
  await started.receiver.close({ delayMs: 0 });
  expect(await reply).toMatchObject({ status: 503, headers: { connection: 'close' } });
});

it('uses a certificate that was replaced on disk for the next handshake, and keeps the old one while the new is broken', async () => {
  const started = await start();
  const next = await createPki();
  await replace(started.files.tlsCert, next.receiverServer.chainPem);
  await expect
    .poll(() => started.lines)
    .toContainEqual(
      expect.objectContaining({
        msg: 'material_reloaded',
        outcome: 'refused',
        failure_code: 'TLS_MATERIAL_INVALID',
      }),
    );
  expect(await deliver(started)).toMatchObject({ status: 200 });
  await replace(started.files.tlsKey, next.receiverServer.keyPem);
  await expect
    .poll(() => deliver(started, { serverCaPem: next.serverCaPem }).catch(() => null))
    .toMatchObject({ status: 200 });
});

it("follows a change of Lean's chain, and keeps the old one when the file is emptied", async () => {
  const started = await start();
  await replace(started.files.leanChain, '');
  await expect
    .poll(() => started.lines)
    .toContainEqual(expect.objectContaining({ material: 'lean_chain', outcome: 'refused' }));
  expect(await deliver(started)).toMatchObject({ status: 200 });
  const next = await createPki();
  await replace(started.files.leanChain, next.leanChainPem);
  const identity = next.lean.webhookClient;
  await expect.poll(() => deliver(started, { identity }).catch(() => null)).toMatchObject({ status: 200 });
  await expect(deliver(started)).rejects.toThrow(/./);
});

it('follows the secrets in LEAN_WEBHOOK_SECRET_FILE', async () => {
  const settings = await receiverSettings();
  folders.push(settings);
  const file = path.join(settings.dir, 'secret');
  await writeFile(file, 'first-secret\n');
  const started = await start({ LEAN_WEBHOOK_SECRET: '', LEAN_WEBHOOK_SECRET_FILE: file }, settings);
  expect(await deliver(started, { secret: 'first-secret' })).toMatchObject({ status: 200 });
  await replace(file, 'second-secret,first-secret\n');
  await expect.poll(async () => (await deliver(started, { secret: 'second-secret' })).status).toBe(200);
  expect(await deliver(started, { secret: 'first-secret' })).toMatchObject({ status: 200 });
  await replace(file, '');
  await expect
    .poll(() => started.lines)
    .toContainEqual(expect.objectContaining({ material: 'webhook_secret', outcome: 'refused' }));
  expect(await deliver(started, { secret: 'second-secret' })).toMatchObject({ status: 200 });
});

it('works behind a proxy that ended TLS, with the signature alone', async () => {
  const started = await start({ TLS_TERMINATION: 'proxy', VERIFY: 'signature' });
  expect(started.receiver.url).toMatch(/^http:/);
  expect(await deliver(started)).toMatchObject({ status: 200 });
  expect(await deliver(started, { secret: 'wrong' })).toMatchObject({ status: 401 });
});

it('says whom it trusts, how long its lists are current, and when one of them needs another soon', async () => {
  const settings = await receiverSettings();
  folders.push(settings);
  const { leanRoot, leanIntermediate } = settings.pki.issuers;
  const crlFile = path.join(settings.dir, 'lean.crl');
  const later = new Date(Date.now() + 30 * 86_400_000);
  const lists = [
    await createRevocationList(leanRoot, [], later),
    await createRevocationList(leanIntermediate),
  ];
  await writeFile(crlFile, lists.join(''));
  const { lines, metrics } = await start({ LEAN_CRL_FILE: crlFile }, settings);
  const root = new X509Certificate(leanRoot.certificate.toString('pem'));
  expect(lines.filter(({ msg }) => msg === 'trust_anchor')).toMatchObject([
    {
      subject: 'CN=Lean Root CA, O=Lean test',
      sha256: root.fingerprint256.replaceAll(':', '').toLowerCase(),
      days_left: 3649,
    },
  ]);
  expect(lines.filter(({ msg }) => msg === 'material_warning')).toMatchObject([
    { level: 'warn', material: 'lean_crl', problem: expect.stringContaining('list 2'), days_left: 0 },
  ]);
  const { values } = await metrics.certificateExpirySeconds.get();
  // One value for each certificate of the two files, and for each list.
  expect(values.map(({ labels }) => String(labels.material)).toSorted()).toEqual([
    'lean_chain',
    'lean_chain',
    'lean_crl',
    'lean_crl',
    'server_certificate',
  ]);
  const soonest = Math.min(
    ...values.filter(({ labels }) => labels.material === 'lean_crl').map(({ value }) => value),
  );
  expect(soonest).toBeGreaterThan(3_000);
  expect(soonest).toBeLessThanOrEqual(3_600);
});

it('lets a certificate for servers in by its key when LEAN_CLIENT_PURPOSE says so', async () => {
  const settings = await receiverSettings();
  folders.push(settings);
  const issuer = settings.pki.issuers.leanIntermediate;
  const identity = await issueLeaf({ issuer, sans: ['dns:webhooks.leantech.me'], eku: ['serverAuth'] });
  const started = await start(
    { LEAN_CLIENT_PURPOSE: 'serverAuth', LEAN_CLIENT_NAMES: spkiPin(identity.certPem) },
    settings,
  );
  expect(await deliver(started, { identity })).toMatchObject({ status: 200 });
  await expect(deliver(started)).rejects.toThrow(/./);
});

it('only looks at the certificate with VERIFY_SHADOW=certificate', async () => {
  const started = await start({ VERIFY: 'signature', VERIFY_SHADOW: 'certificate' });
  expect(await deliver(started)).toMatchObject({ status: 200 });
  expect(await deliver(started, { identity: undefined })).toMatchObject({ status: 200 });
  await expect
    .poll(() =>
      started.lines.filter(({ msg }) => msg === 'delivery').map((line) => line['certificate_shadow']),
    )
    .toEqual(['agreed', 'would_refuse']);
});

const memoryFolder = '/dev/shm';
const hasMemoryFolder = existsSync(memoryFolder) && statfsSync(memoryFolder).type === 0x01021994;

describe.skipIf(!hasMemoryFolder)('a journal in memory', () => {
  const inMemory = {
    JOURNAL_DIR: path.join(memoryFolder, `journal-test-${process.pid}`, 'journal'),
    JOURNAL_PERSISTENT: '',
    LEAN_ENVIRONMENT: 'production',
  };

  it('is refused with JOURNAL_NOT_PERSISTENT in production, before anything is made there', async () => {
    await expect(start(inMemory)).rejects.toMatchObject({
      code: 'JOURNAL_NOT_PERSISTENT',
      message: expect.stringMatching(/tmpfs.*mount a local disk.*JOURNAL_PERSISTENT=yes.*ACK_AFTER=stored/),
    });
    await expect(stat(path.dirname(inMemory.JOURNAL_DIR))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each([
    ['the operator says that it persists', { JOURNAL_PERSISTENT: 'yes' }],
    ['the acknowledgement waits for Postgres', { ACK_AFTER: 'stored' }],
    ['in the sandbox, which is warned', { LEAN_ENVIRONMENT: 'sandbox' }],
  ])('is taken when %s', async (_, changes) => {
    const settings = { ...inMemory, ...changes };
    onTestFinished(() => rm(path.dirname(settings.JOURNAL_DIR), { recursive: true, force: true }));
    const { lines } = await start(settings);
    const warnings = lines.filter(({ msg }) => msg === 'config_warning').map(({ variable }) => variable);
    expect(warnings).toEqual(settings.LEAN_ENVIRONMENT === 'sandbox' ? ['JOURNAL_DIR'] : []);
  });
});

describe('does not start, and leaves nothing behind,', () => {
  it('on a taken port, and names the variable', async () => {
    const first = await start();
    const settings = await receiverSettings();
    folders.push(settings);
    const taken = start({ PORT: String(first.receiver.port) }, settings);
    await expect(taken).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('PORT'),
    });
    expect(await deliver(await start({}, settings))).toMatchObject({ status: 200 });
  });

  it('on the journal of another receiver', async () => {
    const first = await start();
    await expect(start({ JOURNAL_DIR: path.join(first.dir, 'journal') })).rejects.toMatchObject({
      code: 'JOURNAL_LOCKED',
    });
  });

  it("without Lean's root", async () => {
    const settings = await receiverSettings();
    folders.push(settings);
    await writeFile(settings.files.leanChain, settings.pki.issuers.leanIntermediate.presentedPem);
    await expect(start({}, settings)).rejects.toMatchObject({ code: 'TLS_MATERIAL_INVALID' });
  });

  it('with a revocation list that cannot be read', async () => {
    const settings = await receiverSettings();
    folders.push(settings);
    const crlFile = path.join(settings.dir, 'lean.crl');
    await writeFile(crlFile, (await createRevocationList(settings.pki.issuers.leanRoot)).slice(0, 100));
    await expect(start({ LEAN_CRL_FILE: crlFile }, settings)).rejects.toMatchObject({
      code: 'TLS_MATERIAL_INVALID',
      message: expect.stringContaining('lean.crl: '),
    });
  });
});
