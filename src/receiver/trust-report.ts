// Says in the log whom the receiver trusts to vouch for clients, and what of that deserves a look soon.
// Never decides anything: what is refused is refused when it is loaded or judged.
import type { Logger } from '../observability/logger.ts';
import { describeCertificate } from '../tls/tls-material.ts';
import type { ClientTrust } from './tls-server.ts';

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
