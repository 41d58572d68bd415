// The packages that run in production, as package-lock.json names them. Reads two kinds of files; asks no registry.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { root } from './processes.ts';

const packageSchema = z.looseObject({
  version: z.string().optional(),
  license: z.string().optional(),
  dev: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
});
const lockSchema = z.looseObject({ packages: z.record(z.string(), packageSchema) });
const manifestSchema = z.looseObject({ license: z.string().optional() });

export interface ProductionPackage {
  readonly name: string;
  readonly version: string;
  /** As its author wrote it, SPDX; null where nobody did. */
  readonly licence: string | null;
  readonly hasInstallScript: boolean;
}

/** With those of other platforms, which are not installed here. */
export function productionPackages(): ProductionPackage[] {
  const { packages } = lockSchema.parse(
    JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')),
  );
  return Object.entries(packages)
    .filter(([place, { dev }]) => place.startsWith('node_modules/') && !dev)
    .map(([place, { version = '', license, hasInstallScript }]) => ({
      name: place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      licence: license ?? ownWord(place),
      hasInstallScript,
    }));
}

function ownWord(place: string): string | null {
  const file = path.join(root, place, 'package.json');
  if (!existsSync(file)) return null;
  return manifestSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).license ?? null;
}

/** What a company may ship without asking; anything else is somebody's decision. */
export const knownLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
]);
