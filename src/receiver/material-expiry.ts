// Time left on every certificate and revocation list that is in use, one value each, for the metrics.
// Never keeps a value of one that was replaced: it would sound an alarm about a file that is gone.
import { createHash } from 'node:crypto';
import type { Metrics } from '../observability/metrics.ts';
import type { ReceiverMaterial } from './live-material.ts';

interface ExpiryGauges {
  measure(material: ReceiverMaterial, now: Date): void;
}

/** Enough to find a certificate by, in hex digits. */
const shownDigits = 16;

interface Dated {
  readonly material: 'server_certificate' | 'lean_chain' | 'lean_crl';
  readonly sha256: string;
  readonly endsMs: number;
}

export function createExpiryGauges({
  certificateExpirySeconds: gauge,
}: Pick<Metrics, 'certificateExpirySeconds'>): ExpiryGauges {
  let shown = new Map<string, Dated>();
  return {
    measure(inUse, now) {
      const next = new Map(listDated(inUse).map((dated) => [`${dated.material} ${dated.sha256}`, dated]));
      for (const [name, { material, sha256 }] of shown)
        if (!next.has(name)) gauge.remove({ material, sha256 });
      for (const { material, sha256, endsMs } of next.values())
        gauge.set({ material, sha256 }, (endsMs - now.getTime()) / 1000);
      shown = next;
    },
  };
}

function listDated({ pair, clients }: ReceiverMaterial): Dated[] {
  const own = (pair?.certificates ?? []).map((x509) => ({ material: 'server_certificate' as const, x509 }));
  const anchors = (clients?.anchors.certificates ?? []).map((x509) => ({
    material: 'lean_chain' as const,
    x509,
  }));
  const lists = clients?.crls?.lists.lists ?? [];
  return [
    ...[...own, ...anchors].map(({ material, x509 }) => ({
      material,
      sha256: createHash('sha256').update(x509.raw).digest('hex').slice(0, shownDigits),
      endsMs: x509.validToDate.getTime(),
    })),
    ...lists.map(({ sha256, nextUpdateMs }) => ({
      material: 'lean_crl' as const,
      sha256: sha256.slice(0, shownDigits),
      endsMs: nextUpdateMs,
    })),
  ];
}
