// Looks once, as soon as Redis can be reached, whether it is set up to keep jobs. Never keeps a worker from starting
// because Redis is away, and never asks for a setting to be changed.
import { AppError } from '../core/app-error.ts';
import type { Logger } from '../observability/logger.ts';
import type { CheckResult } from '../observability/readiness.ts';
import { readRedisFacts, redisConcerns } from '../queue/redis-facts.ts';
import { startTimer } from './repeating-timer.ts';

export interface RedisCheckOptions {
  readonly url: string;
  /** In production a policy that throws jobs away is refused; elsewhere it is a warning. */
  readonly isProduction: boolean;
  readonly logger: Logger;
  /** Between two attempts while Redis is away; 5,000 when left out. */
  readonly intervalMs?: number;
}

export interface RedisCheck {
  /** Not ok when Redis was away at the start and turned out to evict in production. */
  state(): CheckResult;
  close(): Promise<void>;
}

const firstDeadlineMs = 2_000;
const defaultIntervalMs = 5_000;

/** Throws REDIS_EVICTS in production, when Redis can be reached at once. */
export async function startRedisCheck(options: RedisCheckOptions): Promise<RedisCheck> {
  const { logger, intervalMs = defaultIntervalMs } = options;
  let evicts = false;
  let known = false;
  const look = async (): Promise<void> => {
    evicts = await reportConcerns(options);
    known = true;
  };
  await look().catch(ignoreAbsence);
  if (evicts) {
    throw new AppError(
      'REDIS_EVICTS',
      'the maxmemory-policy of Redis throws jobs away: set it to noeviction',
    );
  }
  if (known) return { state: () => ({ ok: true }), close: () => Promise.resolve() };
  const timer = startTimer({
    intervalMs,
    async run() {
      if (!known) await look();
      return 'rest';
    },
    onError(error, isNew) {
      if (isNew && !isAbsence(error))
        logger.write('queue_state', { queue: 'redis', outcome: 'error', error });
    },
  });
  return {
    state: () => (evicts ? { ok: false, code: 'REDIS_EVICTS' } : { ok: true }),
    close: () => timer.close(),
  };
}

/** True when a production's Redis is known to evict. */
async function reportConcerns({ url, isProduction, logger }: RedisCheckOptions): Promise<boolean> {
  const facts = await readRedisFacts({ url, deadlineMs: firstDeadlineMs });
  const concerns = redisConcerns(facts, { isProduction });
  for (const { code, isRefused, problem } of concerns) {
    if (!isRefused) logger.write('config_warning', { variable: 'REDIS_URL', failure_code: code, problem });
  }
  return concerns.some(({ isRefused }) => isRefused);
}

function ignoreAbsence(error: unknown): void {
  if (!isAbsence(error)) throw error;
}

function isAbsence(error: unknown): boolean {
  return !(error instanceof AppError) || error.code === 'QUEUE_UNAVAILABLE';
}
