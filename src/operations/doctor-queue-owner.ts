// `ops -- doctor`: whether the queues behind QUEUE_PREFIX are those of this database. A prefix that is merely mistyped finds
// a Redis in which nothing is wrong and nothing ever happens.
import { belongsToAnother } from '../queue/queue-names.ts';
import type { InstallationUse } from '../store/installation-store.ts';
import { coded, ok, skipped, warning, type DoctorFinding } from './doctor-finding.ts';

export interface QueueOwnerFacts {
  readonly prefix: string | undefined;
  /** What Redis holds behind the prefix; undefined: not looked at, or it did not answer. */
  readonly inRedis: string | null | undefined;
  /** undefined: not looked at, it did not answer, or its schema is not this version's. */
  readonly inDatabase: InstallationUse | undefined;
}

const check = 'queue owner';

export function judgeQueueOwner({ prefix, inRedis, inDatabase }: QueueOwnerFacts): DoctorFinding {
  if (prefix === undefined || inRedis === undefined || inDatabase === undefined)
    return skipped(check, 'not compared: Redis or Postgres did not say whose it is');
  const { installationId, hasEvents } = inDatabase;
  if (belongsToAnother(inRedis, installationId))
    return coded(check, {
      state: 'problem',
      code: 'WRONG_INSTALLATION',
      message: `the queues of ${prefix} belong to installation ${inRedis}, and this database to ${installationId}`,
    });
  if (inRedis !== null) return ok(check, `the queues of ${prefix} and this database are one installation's`);
  if (!hasEvents) return ok(check, `no worker has served ${prefix} yet, and the database holds no event`);
  return warning(check, {
    message: `no worker serves ${prefix}, and the database holds events: QUEUE_PREFIX or REDIS_URL is another one than before, or Redis was emptied`,
    cure: 'Compare both with those of every receiver and worker. If they are right, start a worker: it writes what is missing there.',
  });
}
