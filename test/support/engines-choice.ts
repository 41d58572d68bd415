// Decides which engines a test run uses: what `--engines` says, the URLs given, what the machine has.
import { findPostgresFolder, findRedisServer } from './engines-binaries.ts';

export type EngineKind = 'real' | 'embedded';

/** Set by test/run.ts; `auto` when vitest is started by hand. */
export const enginesVariable = 'TEST_ENGINES';
/** Set by test/run.ts to `1` when files that no engine reaches are left out. */
export const engineTestsVariable = 'ENGINE_TESTS';

export interface EngineChoice {
  readonly redis: { readonly kind: EngineKind; readonly url?: string; readonly words: string };
  readonly postgres: { readonly kind: EngineKind; readonly url?: string; readonly words: string };
}

/** Throws when `real` is asked for and an engine is neither given nor installed. */
export function chooseEngines(env: Readonly<Record<string, string | undefined>>): EngineChoice {
  const wanted = env[enginesVariable] ?? 'auto';
  if (!['auto', 'real', 'embedded'].includes(wanted))
    throw new Error(`--engines must be auto, real or embedded, not ${wanted}`);
  return {
    redis: chooseOne({
      name: 'redis',
      wanted,
      url: env['REDIS_URL'],
      variable: 'REDIS_URL',
      program: findRedisServer(),
      substitute: 'js-redis-server',
    }),
    postgres: chooseOne({
      name: 'postgres',
      wanted,
      url: env['DATABASE_URL'],
      variable: 'DATABASE_URL',
      program: findPostgresFolder(),
      substitute: 'PGlite',
    }),
  };
}

/** Whether no engine of the run is real, and whether it has time for what is only tried at night. */
export function runEngines(env: Readonly<Record<string, string | undefined>> = process.env) {
  const { redis, postgres } = chooseEngines(env);
  return {
    isEmbedded: redis.kind === 'embedded' && postgres.kind === 'embedded',
    isLong: env['LONG_TESTS'] === '1',
  };
}

interface Candidates {
  readonly name: string;
  readonly wanted: string;
  readonly url: string | undefined;
  readonly variable: string;
  readonly program: string | undefined;
  readonly substitute: string;
}

function chooseOne({ name, wanted, url, variable, program, substitute }: Candidates) {
  if (wanted !== 'embedded' && url !== undefined && url !== '')
    return { kind: 'real' as const, url, words: `${name} real (${variable})` };
  if (wanted !== 'embedded' && program !== undefined)
    return { kind: 'real' as const, words: `${name} real (${program}, private)` };
  if (wanted === 'real')
    throw new Error(`--engines=real: ${name} is not installed and ${variable} is not set`);
  return { kind: 'embedded' as const, words: `${name} embedded (${substitute})` };
}
