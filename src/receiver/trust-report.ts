// Says in the log whose word the receiver takes about callers, and what of that deserves a look soon.
// Never decides anything: what is refused is refused when it is loaded or judged.
import type { ReceiverConfig } from '../config/load-config.ts';
import type { Logger } from '../observability/logger.ts';
import { forwardedFormats } from '../tls/forwarded-certificate.ts';
import { describeCertificate } from '../tls/tls-material.ts';
import type { ClientTrust } from '../tls/tls-server.ts';
import { forwardedFormat, judgesCertificate } from './caller-rules.ts';

const dayMs = 86_400_000;
/** From its next update on a list refuses every delivery, so there must be time to fetch another. */
const crlNoticeDays = 7;

export function reportTrust(
  { anchors, crls }: ClientTrust,
  { logger, now }: { logger: Logger; now: Date },
): void {
  for (const { x509 } of anchors.trust.roots) {
    const { subject, sha256, notAfter, daysLeft } = describeCertificate(x509, now);
    logger.write('trust_anchor', { subject, sha256, not_after: notAfter, days_left: daysLeft });
  }
  for (const { index, reason } of anchors.trust.unusable) {
    const problem = `certificate ${index + 1} of LEAN_CA_FILE is not used: ${reason}`;
    logger.write('material_warning', { material: 'lean_chain', problem });
  }
  for (const [index, { nextUpdateMs }] of (crls?.lists.lists ?? []).entries()) {
    const daysLeft = Math.floor((nextUpdateMs - now.getTime()) / dayMs);
    if (nextUpdateMs - now.getTime() >= crlNoticeDays * dayMs) continue;
    const what = `revocation list ${index + 1} of LEAN_CRL_FILE`;
    const problem =
      nextUpdateMs <= now.getTime()
        ? `${what} is outdated: every delivery is refused until there is a newer one`
        : `${what} is current for less than ${crlNoticeDays} days; without a newer one every delivery is refused then`;
    const notAfter = new Date(nextUpdateMs).toISOString();
    logger.write('material_warning', {
      material: 'lean_crl',
      problem,
      not_after: notAfter,
      days_left: daysLeft,
    });
  }
}

/** One line at the start: from whom what is believed. And one more where nobody has tried that against the real proxy. */
export function reportCallerTrust(config: ReceiverConfig, logger: Logger): void {
  const format = forwardedFormat(config);
  const own = judgesCertificate(config) ? 'the TLS connection' : 'nobody';
  logger.write('caller_trust', {
    tls_ends_at: config.TLS_TERMINATION,
    certificate_from: format === null ? own : 'trusted proxies',
    forwarded_headers: format === null ? undefined : forwardedFormats[format].headers.join(','),
    proxy_protocol: config.PROXY_PROTOCOL,
    trusted_proxies: config.TRUSTED_PROXIES?.join(','),
  });
  if (format === null || forwardedFormats[format].isProven) return;
  const problem = `${format} is written from documents and samples; compare what your proxy really sends`;
  logger.write('config_warning', { failure_code: 'UNPROVEN', variable: 'FORWARDED_CERT_HEADER', problem });
}
