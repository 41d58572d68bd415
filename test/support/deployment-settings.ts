// The environment of a receiver and a worker that belong together, as an operator would write it for production.
// Only values; starts nothing and reads nothing.
import path from 'node:path';
import { webhookClientName, type PkiPaths } from './pki.ts';

export interface DeploymentParts {
  readonly files: PkiPaths;
  readonly secret: string;
  readonly appToken: string;
  /** Base64 of 32 bytes. */
  readonly payloadKey: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly schema: string;
  readonly leanUrl: string;
  /** Where journals may be made. */
  readonly dir: string;
}

type Settings = Readonly<Record<string, string>>;

/** Each receiver has a journal of its own, by name. */
export function receiverSettings(parts: DeploymentParts, name = 'journal'): Settings {
  const { files, secret, dir } = parts;
  return {
    ...sharedSettings(parts),
    HOST: '127.0.0.1',
    VERIFY: 'certificate+signature',
    LEAN_CLIENT_NAMES: webhookClientName,
    LEAN_WEBHOOK_SECRET: secret,
    TLS_CERT_FILE: files.tlsCert,
    TLS_KEY_FILE: files.tlsKey,
    JOURNAL_DIR: path.join(dir, name),
    JOURNAL_PERSISTENT: 'yes',
    SHUTDOWN_DELAY_MS: '0',
  };
}

export function workerSettings(parts: DeploymentParts): Settings {
  const { files, appToken, databaseUrl, schema, leanUrl } = parts;
  return {
    ...sharedSettings(parts),
    DATABASE_URL: databaseUrl,
    DATABASE_SCHEMA: schema,
    LEAN_API_URL: leanUrl,
    LEAN_APP_TOKEN: appToken,
    LEAN_CERT_FILE: files.applicationCert,
    LEAN_KEY_FILE: files.applicationKey,
    LEAN_RATE_LIMIT_PER_SECOND: '0',
    // The simulated customers' events are as old as their seed says, and none of them is to be set aside for that.
    EVENT_KEY_KEEP_DAYS: '3650',
  };
}

function sharedSettings({ files, payloadKey, redisUrl }: DeploymentParts): Settings {
  return {
    LEAN_ENVIRONMENT: 'production',
    LEAN_REGION: 'ae',
    REDIS_URL: redisUrl,
    PAYLOAD_KEYS: payloadKey,
    LEAN_CA_FILE: files.leanChain,
    OPS_PORT: '0',
  };
}
