// Where the observer looks for certificates, and what it judges them by, out of the receiver's own settings.
// Never demands a certificate: whoever has none is shown too.
import type { Config } from '../config/load-config.ts';
import { createChainCache } from '../tls/chain-cache.ts';
import { forwardedFormats } from '../tls/forwarded-certificate.ts';
import { judgeCertificate, type CertificateRefusal } from '../tls/judge-certificate.ts';
import { clientPolicy } from '../tls/leaf-pins.ts';
import { createPeerReader } from '../tls/peer-certificate.ts';
import {
  createForwardedSource,
  createSocketSource,
  type Caller,
  type PresentationSource,
} from '../tls/presented-certificate.ts';
import { loadCaBundle, loadCrls, loadKeyPair } from '../tls/tls-material.ts';
import { tlsServerOptions, type ClientTrust } from '../tls/tls-server.ts';
import { createTrustedNetworks } from '../tls/trusted-networks.ts';

export type ObservedSide =
  | { readonly kind: 'impossible'; readonly problem: string }
  | {
      readonly kind: 'observing';
      /** null: a proxy ends TLS, and plain HTTP is spoken here. */
      readonly material: ReturnType<typeof tlsServerOptions> | null;
      readonly source: PresentationSource;
      /** null: without LEAN_CA_FILE there is nothing to judge by. Its own null: it is Lean's. */
      readonly judge: ((caller: Caller, now: Date) => CertificateRefusal | null) | null;
      /** Headers of the known formats that arrived, whether they are believed or not. */
      forwardingHeaders(rawHeaders: readonly string[]): readonly string[];
    };

/** Throws TLS_MATERIAL_INVALID. */
export async function openObservedSide(config: Config): Promise<ObservedSide> {
  const problem = whyImpossible(config);
  if (problem !== null) return { kind: 'impossible', problem };
  const trust = await loadTrust(config);
  const source = sourceOf(config);
  const peers = createPeerReader({
    source,
    pins: config.LEAN_CLIENT_NAMES ?? [],
    policy: clientPolicy({ purpose: config.LEAN_CLIENT_PURPOSE, pins: config.LEAN_CLIENT_NAMES ?? [] }),
    trust: () => trust,
    chains: createChainCache(),
  });
  return {
    kind: 'observing',
    material: await loadMaterial(config, trust),
    source,
    judge: trust && ((caller, now) => judgeCertificate(peers.read(caller, now))),
    forwardingHeaders(rawHeaders) {
      const names = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
      const arrived = new Set(names);
      return forwardingHeaders.filter((header) => arrived.has(header.toLowerCase()));
    },
  };
}

const forwardingHeaders: readonly string[] = [
  ...new Set(Object.values(forwardedFormats).flatMap(({ headers }) => headers)),
];

function whyImpossible(config: Config): string | null {
  const { TLS_TERMINATION: termination, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if (config.PROXY_PROTOCOL === 'on')
    return 'PROXY_PROTOCOL=on: callers cannot be observed behind a PROXY header; switch it off at both ends';
  if (termination === 'receiver' && (certFile === undefined || keyFile === undefined))
    return 'TLS_TERMINATION=receiver needs TLS_CERT_FILE and TLS_KEY_FILE';
  return null;
}

async function loadTrust({
  LEAN_CA_FILE: file,
  LEAN_CRL_FILE: crlFile,
}: Config): Promise<ClientTrust | null> {
  if (file === undefined) return null;
  return {
    anchors: await loadCaBundle({ file }),
    crls: crlFile === undefined ? null : await loadCrls(crlFile),
  };
}

/** Always asks for a certificate, even where nothing is there to judge it by. */
async function loadMaterial(config: Config, clients: ClientTrust | null) {
  const { TLS_TERMINATION: termination, TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } = config;
  if (termination === 'proxy' || certFile === undefined || keyFile === undefined) return null;
  const pair = await loadKeyPair({ certFile, keyFile });
  return { ...tlsServerOptions({ pair, clients }, { rejectsUnverified: false }), requestCert: true };
}

function sourceOf(config: Config): PresentationSource {
  if (config.TLS_TERMINATION === 'receiver') return createSocketSource();
  const format = config.FORWARDED_CERT_HEADER;
  const proxies = createTrustedNetworks(config.TRUSTED_PROXIES ?? []);
  return format === undefined ? () => ({ kind: 'absent' }) : createForwardedSource({ format, proxies });
}
