// `ops -- doctor`: looks at everything a deployment stands on and says of each how it is. Changes nothing, and always
// ends: all looks together have one bound.
import type { VariableName } from '../config/env-schema.ts';
import type { Config } from '../config/load-config.ts';
import type { Database } from '../store/database.ts';
import type { InstallationUse } from '../store/installation-store.ts';
import { judgeCertificates } from './doctor-certificates.ts';
import { judgeClock, type ComparedClock } from './doctor-clock.ts';
import {
  judgeConfiguration,
  wrongVariables,
  type DoctorEnvironment,
  type DoctorRole,
} from './doctor-configuration.ts';
import { limitsOf, probed, skipped, type DoctorFinding } from './doctor-finding.ts';
import { lookAtJournal } from './doctor-journal.ts';
import { lookAtLean, type LeanParts } from './doctor-lean.ts';
import { lookAtKeys, lookAtPostgres } from './doctor-postgres.ts';
import { lookAtPublicUrl } from './doctor-public.ts';
import { judgeQueueOwner } from './doctor-queue-owner.ts';
import { lookAtRedis } from './doctor-redis.ts';

export interface DoctorQuestion {
  /** What can be read of the environment; what is wrong in it counts as not set. */
  readonly config: Config;
  readonly env: DoctorEnvironment;
  /** Whose parts to look at. */
  readonly asked: readonly DoctorRole[];
  /** In the place of the one behind DATABASE_URL. */
  readonly database: Database | undefined;
  readonly lean: LeanParts | undefined;
  /** PEM: the authorities that everybody trusts. */
  readonly authorities: readonly string[];
  readonly now: Date;
  /** For all of it. */
  readonly boundMs: number;
}

/** What a disk that does not answer may take of the time, once for the certificates and once for the journal. */
const diskShare = 0.3;

/**
 * What a look acts upon. A wrong value would leave a default in its place, and the look would speak of somebody else's
 * Lean or database, and show it our credentials.
 */
const needs = {
  redis: ['REDIS_URL'],
  postgres: ['DATABASE_URL', 'DATABASE_SCHEMA'],
  'payload keys': ['PAYLOAD_KEYS', 'PAYLOAD_SEALING'],
  journal: ['JOURNAL_DIR', 'JOURNAL_LIMIT_BYTES', 'JOURNAL_DEADLINE_MS', 'JOURNAL_PERSISTENT', 'ACK_AFTER'],
  lean: [
    'LEAN_ENVIRONMENT',
    'LEAN_REGION',
    'LEAN_API_URL',
    'LEAN_AUTH_URL',
    'LEAN_API_VERSION',
    'LEAN_APP_TOKEN',
    'LEAN_CLIENT_SECRET',
    'LEAN_CERT_FILE',
    'LEAN_KEY_FILE',
    'LEAN_CA_FILE',
    'SYNC_STALE_HOURS',
  ],
  'public url': ['PUBLIC_URL', 'VERIFY', 'WEBHOOK_PATH', 'TLS_TERMINATION'],
  certificates: [],
} as const satisfies Readonly<Record<string, readonly VariableName[]>>;

interface Wish {
  readonly check: keyof typeof needs;
  readonly isWanted: boolean;
  readonly lookMs: number;
}

/** Never throws; the order of the lines is always the same. */
export async function examine(question: DoctorQuestion): Promise<readonly DoctorFinding[]> {
  const { config, env, asked, database, lean: parts, authorities, now, boundMs } = question;
  const endsMs = performance.now() + boundMs;
  const wrong = wrongVariables(env);
  const isWrong = (name: VariableName) => wrong.has(name);
  const clocks: ComparedClock[] = [];
  const compare = (clock: ComparedClock) => void clocks.push(clock);
  let inRedis: string | null | undefined;
  let inDatabase: InstallationUse | undefined;
  const receives = asked.includes('receiver');
  const works = asked.includes('worker');
  const look = async (
    { check, isWanted, lookMs }: Wish,
    run: () => Promise<readonly DoctorFinding[]>,
  ): Promise<readonly DoctorFinding[]> => {
    if (!isWanted) return [];
    const mend = needs[check].filter(isWrong);
    if (mend.length > 0) return [skipped(check, `first mend ${mend.join(', ')}`)];
    return probed(check, { lookMs, look: run });
  };
  const diskMs = Math.round(boundMs * diskShare);
  // Work for this processor alone: beside it no round trip would be measured well.
  const certificates = await look({ check: 'certificates', isWanted: true, lookMs: diskMs }, () =>
    judgeCertificates(config, { asked, now, authorities, isWrong }),
  );
  // Names that nobody resolves keep the threads busy that the disk needs as well, and it would get the blame.
  const journal = await look({ check: 'journal', isWanted: receives, lookMs: diskMs }, () =>
    lookAtJournal(config),
  );
  const limits = limitsOf(endsMs - performance.now());
  const { lookMs, answerMs } = limits;
  const shared = { config, answerMs, compare };
  const [redis, postgres, keys, lean, publicUrl] = await Promise.all([
    look({ check: 'redis', isWanted: receives || works, lookMs }, () =>
      lookAtRedis(config, { answerMs, own: (id) => void (inRedis = id) }),
    ),
    look({ check: 'postgres', isWanted: works, lookMs }, () =>
      lookAtPostgres({ ...shared, database, own: (use) => void (inDatabase = use), isWrong }),
    ),
    look({ check: 'payload keys', isWanted: receives || works, lookMs }, () => lookAtKeys(config)),
    look({ check: 'lean', isWanted: works, lookMs }, () => lookAtLean({ ...shared, parts })),
    look({ check: 'public url', isWanted: receives, lookMs }, () =>
      lookAtPublicUrl(config, { answerMs, authorities }),
    ),
  ]);
  const owner = works ? [judgeQueueOwner({ prefix: config.QUEUE_PREFIX, inRedis, inDatabase })] : [];
  const before = [...judgeConfiguration(env, asked), ...certificates, judgeClock(clocks, now)];
  return [...before, ...redis, ...postgres, ...owner, ...keys, ...journal, ...lean, ...publicUrl];
}
