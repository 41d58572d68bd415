// `ops -- doctor`: is Redis there, how far away is it, does it take and keep what it is given, does the prefix fit it.
// Writes nothing there.
import type { Config } from '../config/load-config.ts';
import { redisConcerns, type RedisFacts, type RedisWrites } from '../queue/redis-facts.ts';
import { probeRedis, type RedisProbe } from '../queue/redis-probe.ts';
import {
  coded,
  type DoctorLimits,
  ok,
  problem,
  skipped,
  warning,
  type DoctorFinding,
} from './doctor-finding.ts';

interface RedisLook extends Pick<DoctorLimits, 'answerMs'> {
  /** Told whose installation's the queues are; null: nobody's yet. */
  readonly own: (installationId: string | null) => void;
}

/** Throws QUEUE_UNAVAILABLE. */
export async function lookAtRedis(
  config: Config,
  { answerMs, own }: RedisLook,
): Promise<readonly DoctorFinding[]> {
  const { REDIS_URL: url, QUEUE_PREFIX: prefix, LEAN_ENVIRONMENT: environment } = config;
  if (url === undefined) return [skipped('redis', 'REDIS_URL is not set')];
  // Connecting, then asking, one after the other.
  const probe = await probeRedis({ url, prefix, deadlineMs: Math.round(answerMs / 2) });
  if (probe.installationId !== undefined) own(probe.installationId);
  return [
    judgeReach(probe),
    judgeWrites(probe),
    ...judgeSettings(probe.facts, environment === 'production'),
    judgePrefix(prefix, probe),
  ];
}

/** A job costs several round trips one after the other. */
const farAwayMs = 50;
/** BullMQ's own lower bound. */
const leastVersion = 5;

export function judgeReach({ roundTripMs, facts }: Pick<RedisProbe, 'roundTripMs' | 'facts'>): DoctorFinding {
  const version = facts?.version ?? null;
  const major = Number(version?.split('.', 1)[0] ?? Number.NaN);
  const message = `version ${version ?? 'unknown'}, a round trip takes ${roundTripMs.toFixed(1)} ms`;
  if (major < leastVersion)
    return problem('redis', { message, cure: `Use Redis ${leastVersion} or newer; 6.2 is better.` });
  if (roundTripMs < farAwayMs) return ok('redis', message);
  return warning('redis', {
    message: `${message}: jobs will be slow`,
    cure: 'Put Redis near the workers, or look at what keeps it busy (SLOWLOG).',
  });
}

const nearlyFullShare = 0.9;

export function judgeWrites({
  writes,
  isClusterUrl,
}: Pick<RedisProbe, 'writes' | 'isClusterUrl'>): DoctorFinding {
  const check = 'redis writes';
  if (writes === null) return skipped(check, 'not known: Redis refuses INFO');
  const refusal = refusesWrites(writes, isClusterUrl);
  if (refusal !== null) return problem(check, refusal);
  const { usedBytes, limitBytes } = writes;
  if (usedBytes === null || limitBytes === null || limitBytes === 0)
    return ok(check, 'nothing stands in their way; a limit of memory is not known');
  const share = usedBytes / limitBytes;
  const message = `${Math.floor(share * 100)} % of maxmemory are used`;
  if (share < nearlyFullShare) return ok(check, message);
  const cure = 'Raise maxmemory, or see what fills it: workers that do not run, or another program’s keys.';
  if (share < 1) return warning(check, { message, cure });
  return problem(check, { message: `${message}: it refuses writes, or throws keys away`, cure });
}

function refusesWrites(
  { role, masterLink, appendOnlyStatus, snapshotStatus }: RedisWrites,
  isClusterUrl: boolean,
): { readonly message: string; readonly cure: string } | null {
  // Of a Cluster any node may have answered; its client finds the primaries itself.
  if (role === 'slave' && !isClusterUrl)
    return {
      message: `it is a replica${masterLink === null ? '' : `, its link to the primary ${masterLink}`}: it refuses every write`,
      cure: 'Give REDIS_URL the primary’s address, or name the Sentinels in it.',
    };
  const failed = [
    ...(appendOnlyStatus === 'err' ? ['append-only file'] : []),
    ...(snapshotStatus === 'err' ? ['snapshot'] : []),
  ];
  if (failed.length === 0) return null;
  return {
    message: `the last ${failed.join(' and ')} could not be written, so it refuses writes (MISCONF)`,
    cure: 'Look at the disk of Redis and at its log: it takes writes again when it could write there.',
  };
}

export function judgeSettings(facts: RedisFacts | null, isProduction: boolean): readonly DoctorFinding[] {
  const concerns = redisConcerns(facts, { isProduction });
  if (concerns.length === 0)
    return [ok('redis settings', 'throws nothing away, and keeps an append-only file')];
  return concerns.map(({ code, isRefused, problem: message }) =>
    coded('redis settings', { state: isRefused ? 'problem' : 'warning', code, message }),
  );
}

export function judgePrefix(
  prefix: string | undefined,
  { isClusterUrl, isClusterServer }: Pick<RedisProbe, 'isClusterUrl' | 'isClusterServer'>,
): DoctorFinding {
  const check = 'queue prefix';
  if (prefix === undefined)
    return skipped(
      check,
      'not known: LEAN_ENVIRONMENT and LEAN_REGION, or QUEUE_PREFIX, are not set or wrong',
    );
  if (isClusterServer === true && !isClusterUrl)
    return problem(check, {
      message: 'Redis is a Cluster, and REDIS_URL names it as one server',
      cure: 'Name several of its nodes in REDIS_URL, separated by commas.',
    });
  const isOneSlot = /\{[^}]+\}/.test(prefix);
  if (isOneSlot) return ok(check, `${prefix} keeps a queue on one slot of a Cluster`);
  if (!isClusterUrl) return ok(check, `${prefix}; a Cluster would need braces in it`);
  return problem(check, {
    message: `${prefix} spreads a queue over the slots of the Cluster: every job fails with CROSSSLOT`,
    cure: 'Put it in braces, on every receiver and worker: QUEUE_PREFIX={…}. Drain the queues first.',
  });
}
