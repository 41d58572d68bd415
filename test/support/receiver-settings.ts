// The settings of a whole receiver in a folder of its own, as an operator would write them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testSecret } from './receiver-server.ts';
import { testPki, webhookClientName, writePki, type Pki, type PkiPaths } from './pki.ts';

export interface ReceiverSettings {
  readonly pki: Pki;
  readonly files: PkiPaths;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Nothing listens there: what a receiver does must not depend on it. */
const redisThatIsDown = 'redis://127.0.0.1:1';

/** `ofPki`: other certificates than those of the process. */
export async function receiverSettings(
  changes: Record<string, string> = {},
  ofPki?: Pki,
): Promise<ReceiverSettings> {
  const dir = await mkdtemp(path.join(tmpdir(), 'receiver-'));
  const pki = ofPki ?? (await testPki());
  const files = await writePki(pki, path.join(dir, 'certificates'));
  const env = {
    LEAN_ENVIRONMENT: 'sandbox',
    LEAN_REGION: 'ae',
    HOST: '127.0.0.1',
    PORT: '0',
    OPS_PORT: '0',
    VERIFY: 'certificate+signature',
    LEAN_CA_FILE: files.leanChain,
    LEAN_CLIENT_NAMES: webhookClientName,
    LEAN_WEBHOOK_SECRET: testSecret,
    TLS_CERT_FILE: files.tlsCert,
    TLS_KEY_FILE: files.tlsKey,
    JOURNAL_DIR: path.join(dir, 'journal'),
    JOURNAL_PERSISTENT: 'yes',
    PAYLOAD_KEYS: Buffer.alloc(32, 7).toString('base64'),
    REDIS_URL: redisThatIsDown,
    REDIS_DEADLINE_MS: '100',
    SHUTDOWN_DELAY_MS: '0',
    SHUTDOWN_TIMEOUT_MS: '4000',
    ...changes,
  };
  return { pki, files, dir, env, remove: () => rm(dir, { recursive: true, force: true }) };
}
