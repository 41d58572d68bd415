// `ops -- doctor`: is Postgres there, is its schema this version's and this application's, what may our role do.
// Reads only.
import type { VariableName } from '../config/env-schema.ts';
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { handshakeCodeOf } from '../core/handshake-code.ts';
import { readKeyRing } from '../sealing/key-ring.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { databaseFailure } from '../store/database-failures.ts';
import { readDatabaseFacts, type DatabaseFacts } from '../store/database-facts.ts';
import { readDatabaseTime } from '../store/database-time.ts';
import {
  checkInstallation,
  checkMigrated,
  readInstallationUse,
  type InstallationUse,
} from '../store/installation-store.ts';
import { findMissingKeys, type MissingKeys } from '../store/payload-key-store.ts';
import { timed, type ComparedClock } from './doctor-clock.ts';
import { coded, ok, problem, skipped, warning, type DoctorFinding } from './doctor-finding.ts';

export interface PostgresLook {
  readonly config: Config;
  /** In the place of the one behind DATABASE_URL; not closed here. */
  readonly database: Database | undefined;
  readonly answerMs: number;
  /** Told of the database's clock. */
  readonly compare: (clock: ComparedClock) => void;
  /** Told whose it is, and whether it was used. */
  readonly own: (use: InstallationUse) => void;
  /** Whether a variable cannot be used. */
  readonly isWrong: (name: VariableName) => boolean;
}

/** Throws DATABASE_AWAY, or what the database says. */
export async function lookAtPostgres({
  config,
  database,
  answerMs,
  compare,
  own,
  isWrong,
}: PostgresLook): Promise<readonly DoctorFinding[]> {
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = config;
  if (url === undefined && database === undefined) return [skipped('postgres', 'DATABASE_URL is not set')];
  const opened = database ?? openDatabase({ schema, dialect: dialectOf(url ?? '', answerMs) });
  try {
    return await look(config, { database: opened, compare, own, isWrong });
  } catch (error) {
    if (error instanceof AppError || databaseFailure(error) === 'other') throw error;
    const words = error instanceof Error ? error.message : 'no answer';
    const tls = handshakeCodeOf(error);
    const said = tls === null ? `Postgres says: ${words}` : `no TLS with Postgres, ${tls}: ${words}`;
    throw new AppError('DATABASE_AWAY', said, { cause: error });
  } finally {
    if (opened !== database) await opened.close();
  }
}

function dialectOf(url: string, statementTimeoutMs: number) {
  return postgresDialect({
    url,
    poolSize: 1,
    applicationName: 'lean-ops-doctor',
    statementTimeoutMs,
    onIdleError: () => undefined, // The next statement on it says so itself.
  });
}

async function look(
  config: Config,
  { database, compare, own, isWrong }: LookInside,
): Promise<DoctorFinding[]> {
  const facts = await readDatabaseFacts(database);
  const found = [judgeWrites(facts)];
  if (facts.hasTables || facts.isBlind) found.push(judgeRights(facts));
  if (facts.isBlind) return found;
  const schema = await judgeSchema(config, database);
  found.push(schema);
  if (schema.code === 'SCHEMA_OUTDATED') return found;
  // What may not be read ends the look at that, and not at all the rest.
  const lacks = (...rights: string[]) => rights.filter((right) => facts.lacking.includes(right));
  const use = lacks('webhook_events select').length > 0 ? null : await readInstallationUse(database);
  // Of another application's database its own line says enough.
  if (use !== null && schema.code === null) own(use);
  const { answer: time, askedAtMs } = await timed(() => readDatabaseTime(database));
  if (askedAtMs !== null) compare({ whose: 'Postgres', aheadMs: time.getTime() - askedAtMs });
  // What else opens is not known then, so nothing can be said to be missing.
  if (isWrong('PAYLOAD_KEYS')) return found;
  const keyRing = readKeyRing({ keysBase64: config.PAYLOAD_KEYS, sealing: config.PAYLOAD_SEALING });
  const lacking = lacks('payload_keys select', 'webhook_events select');
  if (lacking.length > 0)
    found.push(skipped(keysCheck, `not known: ${facts.role} lacks ${lacking.join(', ')}`));
  else found.push(judgeKeys(await findMissingKeys(database, keyRing)));
  return found;
}

interface LookInside extends Pick<PostgresLook, 'compare' | 'own' | 'isWrong'> {
  readonly database: Database;
}

export function judgeWrites({ version, role, readOnly }: DatabaseFacts): DoctorFinding {
  const message = `version ${version}, as role ${role}`;
  if (readOnly === null) return ok('postgres', message);
  return problem('postgres', {
    message: `${message}; it takes no writes: ${readOnly}`,
    cure: 'Give DATABASE_URL the primary’s address; see default_transaction_read_only of the role and the database.',
  });
}

async function judgeSchema(config: Config, database: Database): Promise<DoctorFinding> {
  const check = 'postgres schema';
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region, LEAN_APP_TOKEN: appToken } = config;
  try {
    if (environment === undefined || region === undefined || appToken === undefined) {
      await checkMigrated(database);
      return warning(check, {
        message: `${database.schema} has every migration; whose it is was not compared`,
        cure: 'Set LEAN_ENVIRONMENT, LEAN_REGION and LEAN_APP_TOKEN.',
      });
    }
    await checkInstallation(database, { environment, region, appToken });
    return ok(check, `${database.schema} has every migration of this version and is this application's`);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return coded(check, { state: 'problem', code: error.code, message: error.message });
  }
}

export function judgeRights({ role, lacking, excess }: DatabaseFacts): DoctorFinding {
  const check = 'postgres rights';
  if (lacking.length > 0) {
    const shown = lacking.slice(0, 5).join(', ');
    const more = lacking.length > 5 ? ` and ${lacking.length - 5} more` : '';
    return problem(check, {
      message: `${role} lacks ${shown}${more}`,
      cure:
        'Run `npm run migrate` with MIGRATION_DATABASE_URL, as the owner, beside DATABASE_URL: it grants them. ' +
        'With `-- --print` its SQL ends with the grants.',
    });
  }
  if (excess.length === 0) return ok(check, `${role} may read and write rows and nothing more`);
  return warning(check, {
    message: `${role} ${excess.join(', and ')}: more than a worker needs`,
    cure: 'Give workers a role of their own in DATABASE_URL, keep the owner for MIGRATION_DATABASE_URL, and run `npm run migrate`.',
  });
}

/** Whether they can be used at all; what they open is for the database to say. Throws PAYLOAD_KEY_INVALID. */
export function lookAtKeys(config: Config): Promise<readonly DoctorFinding[]> {
  const ring = readKeyRing({ keysBase64: config.PAYLOAD_KEYS, sealing: config.PAYLOAD_SEALING });
  const message =
    (ring?.sealingKeyId ?? null) === null ? 'nothing is sealed here' : 'can be used; bodies are sealed';
  return Promise.resolve([ok('payload keys', message)]);
}

const keysCheck = 'sealed payloads';

export function judgeKeys({ needed, unused }: MissingKeys): DoctorFinding {
  const check = keysCheck;
  if (needed.length > 0)
    return coded(check, {
      state: 'problem',
      code: 'PAYLOAD_KEY_MISSING',
      message: `events wait that were sealed with key ${needed.join(', ')}, which PAYLOAD_KEYS does not have`,
    });
  if (unused.length === 0) return ok(check, 'every key is here that anything kept was sealed with');
  return coded(check, {
    state: 'warning',
    code: 'PAYLOAD_KEY_MISSING',
    message: `key ${unused.join(', ')} is missing: what was sealed with it and is still kept cannot be opened`,
  });
}
