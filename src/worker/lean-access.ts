// The worker's client for Lean, made from the configuration and kept up to date when certificates are replaced.
import { printableText } from '../config/env-fields.ts';
import { readSecretFile, type Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { createLeanClient, type LeanClient } from '../lean/lean-client.ts';
import { leanApiUrl, leanAuthUrl } from '../lean/lean-hosts.ts';
import type { LeanLimits, LeanMaterial } from '../lean/lean-http.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { loadCaBundle, loadKeyPair } from '../tls/tls-material.ts';
import { watchMaterial, type MaterialWatch } from '../tls/tls-reload.ts';

interface LeanAccessOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'materialReloads' | 'certificateExpirySeconds'>;
  /** In the place of the worker's own. */
  readonly limits?: Partial<LeanLimits>;
  /** Between two looks at the files; 15,000 when left out. */
  readonly lookEveryMs?: number;
}

export interface LeanAccess {
  /** Where its calls go. */
  readonly apiUrl: string;
  readonly client: LeanClient;
  close(): Promise<void>;
}

const material = 'lean_client';
const measureEveryMs = 15_000;

/** Throws TLS_MATERIAL_INVALID, LEAN_MATERIAL_INVALID or CONFIG_INVALID. */
export async function openLeanAccess(options: LeanAccessOptions): Promise<LeanAccess> {
  const { config, logger, metrics } = options;
  const looks = options.lookEveryMs === undefined ? {} : { intervalMs: options.lookEveryMs };
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region, LEAN_APP_TOKEN: appToken } = config;
  if (environment === undefined || region === undefined || appToken === undefined) {
    throw new AppError('CONFIG_INVALID', 'LEAN_ENVIRONMENT, LEAN_REGION and LEAN_APP_TOKEN are required');
  }
  const apiUrl = leanApiUrl({
    environment,
    region,
    hasCertificate: config.LEAN_CERT_FILE !== undefined,
    hasClientSecret: config.LEAN_CLIENT_SECRET !== undefined,
    apiUrl: config.LEAN_API_URL,
  });
  const first = await loadMaterial(config);
  const client = createLeanClient({
    apiUrl,
    authUrl: leanAuthUrl({ environment, region, authUrl: config.LEAN_AUTH_URL }),
    appToken,
    clientSecret: config.LEAN_CLIENT_SECRET,
    apiVersion: config.LEAN_API_VERSION,
    region,
    limits: options.limits,
    material: first,
  });
  const expiry = showExpiry(options, first.endsAtMs);
  const secretWatch = watchClientSecret(options, client, looks);
  const { LEAN_CERT_FILE, LEAN_KEY_FILE, LEAN_CA_FILE } = config;
  const files = [LEAN_CERT_FILE, LEAN_KEY_FILE, LEAN_CA_FILE].filter((file) => file !== undefined);
  const reloaded = createReport(material, { logger, metrics });
  const onChange = (loaded: DatedMaterial) => {
    try {
      client.replaceMaterial(loaded);
      expiry.replace(loaded.endsAtMs);
      reloaded('loaded');
    } catch (error) {
      reloaded('refused', error);
    }
  };
  const load = () => loadMaterial(config);
  const onError = (error: unknown) => reloaded('refused', error);
  const watch = files.length === 0 ? null : watchMaterial({ ...looks, files, load, onChange, onError });
  return {
    apiUrl,
    client,
    async close() {
      watch?.close();
      secretWatch?.close();
      expiry.close();
      await client.close();
    },
  };
}

function createReport(name: string, { logger, metrics }: Pick<LeanAccessOptions, 'logger' | 'metrics'>) {
  return (outcome: 'loaded' | 'refused', error?: unknown) => {
    metrics.materialReloads.inc({ material: name, outcome });
    logger.write('material_reloaded', { material: name, outcome, error });
  };
}

/** Null where the secret did not come from a file. The value shows nowhere. */
function watchClientSecret(
  { config, logger, metrics }: LeanAccessOptions,
  client: LeanClient,
  looks: { readonly intervalMs?: number },
): MaterialWatch | null {
  const file = config.secretFiles.LEAN_CLIENT_SECRET;
  if (file === undefined) return null;
  const report = createReport('lean_client_secret', { logger, metrics });
  return watchMaterial({
    ...looks,
    files: [file],
    async load() {
      const parsed = printableText.safeParse(readSecretFile('LEAN_CLIENT_SECRET', file));
      if (parsed.success) return parsed.data;
      throw new AppError(
        'CONFIG_INVALID',
        'LEAN_CLIENT_SECRET_FILE must hold printable ASCII without spaces',
      );
    },
    onChange(clientSecret) {
      client.replaceClientSecret(clientSecret);
      report('loaded');
    },
    onError: (error) => report('refused', error),
  });
}

interface DatedMaterial extends LeanMaterial {
  /** When our certificate ends; null without one. */
  readonly endsAtMs: number | null;
}

/** Of the certificate in use, again and again: the time left is another one at every look. */
function showExpiry(
  { metrics, lookEveryMs = measureEveryMs }: LeanAccessOptions,
  firstEndsAtMs: number | null,
) {
  let endsAtMs = firstEndsAtMs;
  const measure = () => {
    if (endsAtMs !== null) metrics.certificateExpirySeconds.set({ material }, (endsAtMs - Date.now()) / 1000);
  };
  measure();
  const timer = setInterval(measure, lookEveryMs).unref();
  return {
    replace(endsAtMsNow: number | null) {
      endsAtMs = endsAtMsNow;
      measure();
    },
    close: () => clearInterval(timer),
  };
}

async function loadMaterial({
  LEAN_CERT_FILE: certFile,
  LEAN_KEY_FILE: keyFile,
  LEAN_CA_FILE: caFile,
}: Config): Promise<DatedMaterial> {
  const pair =
    certFile !== undefined && keyFile !== undefined ? await loadKeyPair({ certFile, keyFile }) : null;
  const ca = caFile === undefined ? null : await loadCaBundle({ file: caFile });
  const endsAtMs = pair?.leaf.validToDate.getTime() ?? null;
  return { certPem: pair?.certPem, keyPem: pair?.keyPem, caPem: ca?.pem, endsAtMs };
}
