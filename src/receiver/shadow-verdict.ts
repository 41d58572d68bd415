// What the method that decides nothing would have said of a delivery that got in, for the log and the figures.
// Never decides, never throws, and never keeps more than a few hashes of certificates.
import { X509Certificate } from 'node:crypto';
import type { Logger } from '../observability/logger.ts';
import type { CertificateReason, PeerCertificate } from '../tls/judge-certificate.ts';
import type { SignatureRefusal } from './verify-delivery.ts';

export type VerifyMethod = 'certificate' | 'signature';

/** `NOT_JUDGED`: a mistake of ours in here, which would have cost the delivery. A label of a metric, so a closed list. */
export type ShadowReason = CertificateReason | SignatureRefusal | 'NOT_JUDGED';

export interface ShadowVerdict {
  readonly method: VerifyMethod;
  readonly verdict: 'agreed' | 'would_refuse';
  /** null when it agreed. */
  readonly reason: ShadowReason | null;
}

/** `judge` gives why the method would refuse, or null. */
export function judgeInShadow(
  method: VerifyMethod,
  parts: { judge: () => ShadowReason | null; onError: (error: unknown) => void },
): ShadowVerdict {
  try {
    const reason = parts.judge();
    return { method, verdict: reason === null ? 'agreed' : 'would_refuse', reason };
  } catch (error) {
    parts.onError(error);
    return { method, verdict: 'would_refuse', reason: 'NOT_JUDGED' };
  }
}

/** Takes the certificate of an accepted delivery, and what judging it came to. */
export type CertificateObserver = (peer: PeerCertificate, shadow: ShadowVerdict) => void;

/** More different certificates than Lean has; of a newer one the oldest is forgotten and may be printed again. */
const rememberedCertificates = 64;

/** Prints each certificate once, in the words of LEAN_CLIENT_NAMES, so that they can be copied from the log. */
export function createCertificateObserver(logger: Logger): CertificateObserver {
  const printed = new Set<string>();
  return (peer, { verdict, reason }) => {
    if (printed.has(peer.sha256)) return;
    const [oldest] = printed;
    if (printed.size >= rememberedCertificates && oldest !== undefined) printed.delete(oldest);
    printed.add(peer.sha256);
    logger.write('certificate_observed', {
      certificate_sha256: peer.sha256,
      certificate_names: peer.names,
      key_pin: peer.keyPin,
      not_after: notAfterOf(peer.leafDer),
      shadow: verdict,
      reason: reason ?? undefined,
    });
  };
}

/** A forwarded certificate may be one that OpenSSL cannot read. */
function notAfterOf(leafDer: Uint8Array): string | undefined {
  try {
    return new X509Certificate(leafDer).validToDate.toISOString();
  } catch {
    return undefined;
  }
}
