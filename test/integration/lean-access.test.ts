// The worker's way to Lean while its files are replaced on disk: the next calls use what is there now, calls under way
// end on what they began with, and what cannot be used changes nothing.
import https from 'node:https';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { createMetrics, type Metrics } from '../../src/observability/metrics.ts';
import { openLeanAccess, type LeanAccess } from '../../src/worker/lean-access.ts';
import { readLeanFixture } from '../fixtures/lean/index.ts';
import { eventually } from '../support/eventually.ts';
import { issueLeaf, testPki, writePki, type Pki, type PkiPaths } from '../support/pki.ts';
import { createRecordingLogger, type RecordedLine } from '../support/silent-logger.ts';

const query = { entityId: '14eb95ba-2b9d-41cb-82fe-7b1b3079021e', page: 0 };
let pki: Pki;
let dir: string;
let files: PkiPaths;
let server: https.Server;
let access: LeanAccess;
let metrics: Metrics;
let lines: RecordedLine[];
/** Serial numbers of the certificates shown, call by call, and the answers still owed. */
let shown: string[];
let owed: ServerResponse[];

beforeEach(async () => {
  pki = await testPki();
  dir = await mkdtemp(path.join(tmpdir(), 'lean-access-'));
  files = await writePki(pki, dir);
  [shown, owed] = [[], []];
  server = https.createServer(
    {
      cert: pki.leanServer.chainPem,
      key: pki.leanServer.keyPem,
      ca: pki.leanChainPem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    ({ socket }, response) => {
      shown.push(socket instanceof TLSSocket ? socket.getPeerCertificate().serialNumber : '');
      owed.push(response);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const recording = createRecordingLogger();
  metrics = createMetrics({ processMetrics: false });
  ({ lines } = recording);
  access = await openLeanAccess({
    config: loadConfig('worker', {
      LEAN_ENVIRONMENT: 'sandbox',
      LEAN_REGION: 'ae',
      LEAN_APP_TOKEN: 'app-token',
      LEAN_API_URL: `https://127.0.0.1:${port}`,
      LEAN_CA_FILE: files.leanChain,
      LEAN_CERT_FILE: files.applicationCert,
      LEAN_KEY_FILE: files.applicationKey,
      REDIS_URL: 'redis://127.0.0.1:1',
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      PAYLOAD_KEYS: Buffer.alloc(32, 7).toString('base64'),
    }),
    logger: recording.logger,
    metrics,
    lookEveryMs: 50,
  });
});
afterEach(async () => {
  answerAll();
  await access.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  await rm(dir, { recursive: true, force: true });
});

function answerAll(): void {
  for (const response of owed.splice(0)) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(readLeanFixture('v2-uae-response-accounts').bodyText);
  }
}

const reloads = (outcome: string) =>
  lines.filter(({ event, fields }) => event === 'material_reloaded' && fields['outcome'] === outcome).length;

it('a certificate replaced on disk is shown by the next call, and the call under way is answered', async () => {
  await eventually(() => expect(reloads('loaded')).toBe(1));
  const underWay = access.client.getAccounts(query);
  await eventually(() => expect(owed).toHaveLength(1));
  const renewed = await issueLeaf({
    issuer: pki.issuers.leanIntermediate,
    sans: ['dns:renewed.example'],
    eku: ['clientAuth'],
  });
  await writeFile(files.applicationCert, renewed.certPem);
  await eventually(() => expect(reloads('refused')).toBeGreaterThan(0));
  const meanwhile = access.client.getAccounts(query);
  await eventually(() => expect(owed).toHaveLength(2));
  await writeFile(files.applicationKey, renewed.keyPem);
  await eventually(() => expect(reloads('loaded')).toBe(2));
  const afterwards = access.client.getAccounts(query);
  await eventually(() => expect(owed).toHaveLength(3));
  answerAll();
  for (const reply of await Promise.all([underWay, meanwhile, afterwards])) {
    expect(reply).toMatchObject({ kind: 'ok' });
  }
  expect(shown[1]).toBe(shown[0]);
  expect(shown[2]).not.toBe(shown[0]);
});

const secondsLeft = async () => (await metrics.certificateExpirySeconds.get()).values[0]?.value ?? Infinity;

it('the time left on the certificate in use goes down while the process runs', async () => {
  const first = await secondsLeft();
  expect(first).toBeGreaterThan(0);
  await eventually(async () => expect(await secondsLeft()).toBeLessThan(first));
});
