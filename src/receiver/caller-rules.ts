// Which callers get in, by the configuration: what is judged, against which list, and where a certificate is looked for.
// Pure: every rule between the variables was checked when the configuration was read.
import type { ReceiverConfig } from '../config/load-config.ts';
import type { ForwardedFormat } from '../tls/forwarded-certificate.ts';
import { clientPolicy } from '../tls/leaf-pins.ts';
import { createTrustedNetworks } from '../tls/trusted-networks.ts';
import type { ReceiverServerOptions } from './server.ts';

type CallerRules = Pick<
  ReceiverServerOptions,
  'verify' | 'shadow' | 'pins' | 'clientPolicy' | 'forwarded' | 'proxyProtocol'
>;

export function callerRules(config: ReceiverConfig): CallerRules {
  const { VERIFY: mode, VERIFY_SHADOW: shadow = null } = config;
  const proxies = createTrustedNetworks(config.TRUSTED_PROXIES ?? []);
  const format = forwardedFormat(config);
  return {
    verify: { certificate: mode.includes('certificate'), signature: mode.includes('signature') },
    shadow,
    pins: config.LEAN_CLIENT_NAMES ?? [],
    clientPolicy: clientPolicy({
      purpose: config.LEAN_CLIENT_PURPOSE,
      pins: config.LEAN_CLIENT_NAMES ?? [],
    }),
    forwarded: format === null ? null : { format, proxies },
    proxyProtocol:
      config.PROXY_PROTOCOL === 'on' ? { isTrusted: (address) => proxies.includes(address) } : null,
  };
}

/** Whether anybody's certificate is judged at all, be it to decide or only to be looked at. */
export function judgesCertificate({ VERIFY: mode, VERIFY_SHADOW: shadow }: ReceiverConfig): boolean {
  return mode.includes('certificate') || shadow === 'certificate';
}

/** null: no forwarding header is read. */
export function forwardedFormat(config: ReceiverConfig): ForwardedFormat | null {
  if (config.TLS_TERMINATION !== 'proxy' || !judgesCertificate(config)) return null;
  return config.FORWARDED_CERT_HEADER ?? null;
}
