// Which files a receiver reads its trust and its secrets from, by its configuration, and how each is loaded.
// Never half a source: what a mode of VERIFY does not need is null and is not read at all.
import { AppError } from '../core/app-error.ts';
import { secretList } from '../config/env-fields.ts';
import { readSecretFile, type ReceiverConfig } from '../config/load-config.ts';
import { loadCaBundle, loadCrls, loadKeyPair, type KeyPair } from '../tls/tls-material.ts';
import type { ClientTrust } from '../tls/tls-server.ts';
import { judgesCertificate } from './caller-rules.ts';

export interface MaterialSource<Value> {
  readonly files: readonly string[];
  readonly load: () => Promise<Value>;
}

interface MaterialSources {
  /** null: a proxy ends TLS. */
  readonly pair: MaterialSource<KeyPair> | null;
  /** null: no client certificate is looked at. */
  readonly clients: MaterialSource<ClientTrust> | null;
  /** null: the secrets came as a variable, or are not used. */
  readonly secrets: MaterialSource<readonly string[]> | null;
}

export function materialSources(config: ReceiverConfig): MaterialSources {
  return { pair: pairSource(config), clients: clientsSource(config), secrets: secretsSource(config) };
}

function pairSource(config: ReceiverConfig): MaterialSources['pair'] {
  const { TLS_TERMINATION: termination, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if (termination !== 'receiver' || certFile === undefined || keyFile === undefined) return null;
  return { files: [certFile, keyFile], load: () => loadKeyPair({ certFile, keyFile }) };
}

function clientsSource(config: ReceiverConfig): MaterialSources['clients'] {
  const { LEAN_CA_FILE: caFile, LEAN_CRL_FILE: crlFile } = config;
  if (!judgesCertificate(config) || caFile === undefined) return null;
  return {
    files: crlFile === undefined ? [caFile] : [caFile, crlFile],
    load: async () => ({
      anchors: await loadCaBundle({ file: caFile }),
      crls: crlFile === undefined ? null : await loadCrls(crlFile),
    }),
  };
}

function secretsSource(config: ReceiverConfig): MaterialSources['secrets'] {
  const file = config.secretFiles.LEAN_WEBHOOK_SECRET;
  if (file === undefined) return null;
  return {
    files: [file],
    async load() {
      const parsed = secretList.safeParse(readSecretFile('LEAN_WEBHOOK_SECRET', file));
      if (parsed.success) return parsed.data;
      throw new AppError('CONFIG_INVALID', 'LEAN_WEBHOOK_SECRET_FILE holds no list of secrets');
    },
  };
}
