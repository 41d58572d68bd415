// The receiver's certificate, Lean's chain and the webhook secrets as they are in force, replaced while it runs.
// Never lets go of what works for something that does not load.
import type { ReceiverConfig } from '../config/load-config.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { describeCertificate, type KeyPair } from '../tls/tls-material.ts';
import { watchMaterial, type MaterialWatch } from '../tls/tls-reload.ts';
import { createExpiryGauges } from './material-expiry.ts';
import { materialSources, type MaterialSource } from './material-sources.ts';
import { reportTrust } from './trust-report.ts';
import type { ClientTrust } from '../tls/tls-server.ts';

interface LiveMaterialOptions {
  readonly config: ReceiverConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How often the files are looked at. */
  readonly intervalMs?: number;
}

/** Everything of TLS and trust that may change on disk while the receiver runs. */
export interface ReceiverMaterial {
  /** null: TLS ends at a proxy. */
  readonly pair: KeyPair | null;
  /** null: no client certificate is looked at. */
  readonly clients: ClientTrust | null;
}

export interface LiveMaterial {
  /** As loaded at the start; later ones go to `onMaterial`. */
  readonly loaded: ReceiverMaterial;
  secrets(): readonly string[];
  /** Starts looking for changes. */
  watch(onMaterial: (material: ReceiverMaterial) => void): void;
  /** Sets the gauges of the time that certificates have left. */
  measure(): void;
  close(): void;
}

type Material = 'server_certificate' | 'lean_chain' | 'webhook_secret';

/** Throws TLS_MATERIAL_INVALID when what is there at the start cannot be used. */
export async function openLiveMaterial(options: LiveMaterialOptions): Promise<LiveMaterial> {
  const { config, metrics, intervalMs } = options;
  const sources = materialSources(config);
  const loaded = {
    pair: (await sources.pair?.load()) ?? null,
    clients: (await sources.clients?.load()) ?? null,
  };
  let current: ReceiverMaterial = loaded;
  let secrets: readonly string[] = config.LEAN_WEBHOOK_SECRET ?? [];
  const watches: MaterialWatch[] = [];
  const report = createReport(options);
  const gauges = createExpiryGauges(metrics);
  if (loaded.clients) reportTrust(loaded.clients, { logger: options.logger, now: new Date() });

  /** `take` puts a loaded value to use and says whether it differs from the one before. */
  function follow<Value>(
    material: Material,
    source: MaterialSource<Value> | null,
    take: (value: Value) => boolean,
  ): void {
    if (source === null) return;
    const onChange = (value: Value) => {
      if (take(value)) report.loaded(material, current);
    };
    const onError = (error: unknown) => report.refused(material, error);
    watches.push(watchMaterial({ ...source, onChange, onError, ...(intervalMs && { intervalMs }) }));
  }

  return {
    loaded,
    secrets: () => secrets,
    watch(onMaterial) {
      const replace = (part: Partial<ReceiverMaterial>): boolean => {
        const next = { ...current, ...part };
        if (printOf(next) === printOf(current)) return false;
        onMaterial(next);
        current = next;
        return true;
      };
      follow('server_certificate', sources.pair, (next) => replace({ pair: next }));
      follow('lean_chain', sources.clients, (clients) => replace({ clients }));
      follow('webhook_secret', sources.secrets, (next) => {
        const changed = next.join(',') !== secrets.join(',');
        secrets = next;
        return changed;
      });
    },
    measure: () => gauges.measure(current, new Date()),
    close() {
      for (const watch of watches) watch.close();
    },
  };
}

function createReport({ logger, metrics }: LiveMaterialOptions) {
  return {
    loaded(material: Material, current: ReceiverMaterial): void {
      metrics.materialReloads.inc({ material, outcome: 'loaded' });
      if (material === 'lean_chain' && current.clients)
        reportTrust(current.clients, { logger, now: new Date() });
      const leaf = material === 'server_certificate' ? current.pair?.leaf : undefined;
      const facts = leaf && describeCertificate(leaf, new Date());
      logger.write('material_reloaded', {
        material,
        outcome: 'loaded',
        not_after: facts?.notAfter,
        days_left: facts?.daysLeft,
      });
    },
    refused(material: Material, error: unknown): void {
      metrics.materialReloads.inc({ material, outcome: 'refused' });
      logger.write('material_reloaded', { material, outcome: 'refused', error });
    },
  };
}

/** Equal for equal files. */
function printOf({ pair, clients }: ReceiverMaterial): string {
  return [
    pair?.certPem ?? '',
    pair?.keyPem ?? '',
    clients?.anchors.pem ?? '',
    ...(clients?.crls?.pems ?? []),
  ].join('\n');
}
