// `ops -- doctor`: does Lean take our certificate and our credentials, and what can be brought back that never arrived.
// Each call is one harmless GET; what Lean lists is neither shown nor kept.
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { endsWithin } from '../core/deadline.ts';
import { failureCodes } from '../core/failure-codes.ts';
import type { LeanClient } from '../lean/lean-client.ts';
import { failureOfNetwork } from '../lean/lean-failures.ts';
import { noFacts, type LeanOperation, type LeanReply } from '../lean/lean-reply.ts';
import { timed, type ComparedClock } from './doctor-clock.ts';
import { ok, skipped, type DoctorFinding } from './doctor-finding.ts';

type AskedClient = Pick<LeanClient, 'getBanks' | 'getEvents' | 'getEntitiesByDate'>;

export interface SweepFacts {
  readonly region: 'ae' | 'sa';
  readonly apiVersion: 'v1' | 'v2';
  readonly hasClientSecret: boolean;
  readonly staleHours: number;
}

/** The worker's own way to Lean, and its own choice of sweeps. */
export interface LeanParts {
  /** Throws TLS_MATERIAL_INVALID, LEAN_MATERIAL_INVALID or CONFIG_INVALID. */
  open(
    config: Config,
    limits: { readonly connectTimeoutMs: number },
  ): Promise<{ readonly apiUrl: string; readonly client: AskedClient; close(): Promise<void> }>;
  planSweeps(facts: SweepFacts): DoctorSweepPlan;
}

export interface DoctorSweepPlan {
  readonly inForce: readonly string[];
  /** What they bring back, in a sentence. */
  readonly recovers: string;
  /** What is left where Lean refuses its list of events; null where that is not asked for. */
  readonly whenDenied: { readonly recovers: string } | null;
}

export interface LeanLook {
  readonly config: Config;
  readonly parts: LeanParts | undefined;
  readonly answerMs: number;
  /** Told of Lean's clock. */
  readonly compare: (clock: ComparedClock) => void;
}

/** Throws what `LeanParts.open` throws. */
export async function lookAtLean({
  config,
  parts,
  answerMs,
  compare,
}: LeanLook): Promise<readonly DoctorFinding[]> {
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region, LEAN_APP_TOKEN: appToken } = config;
  if (parts === undefined || environment === undefined || region === undefined || appToken === undefined)
    return [skipped('lean', 'LEAN_ENVIRONMENT, LEAN_REGION and LEAN_APP_TOKEN are not all set')];
  const hasClientSecret = config.LEAN_CLIENT_SECRET !== undefined;
  const plan = parts.planSweeps({
    region,
    apiVersion: config.LEAN_API_VERSION,
    hasClientSecret,
    staleHours: config.SYNC_STALE_HOURS,
  });
  const access = await parts.open(config, { connectTimeoutMs: answerMs });
  const signal = AbortSignal.timeout(answerMs);
  try {
    const [{ answer: banks, askedAtMs }, entities, events] = await Promise.all([
      timed(() => settled('banks', access.client.getBanks({ signal }))),
      settled('entities_by_date', access.client.getEntitiesByDate({ ...today(), page: 0, signal })),
      plan.whenDenied === null
        ? null
        : settled('events', access.client.getEvents({ ...lastMinute(), page: 0, signal })),
    ]);
    if (banks.kind === 'ok' && banks.httpDate !== null && askedAtMs !== null)
      compare({ whose: 'Lean', aheadMs: Date.parse(banks.httpDate.at) - askedAtMs });
    const good = `${new URL(access.apiUrl).host} takes our ${shownCredentials(config)}`;
    const token = judgeLeanReply('lean', banks, { good });
    // One cause, one line: what refuses everything refuses the sweep as well.
    return token.state === 'ok'
      ? [token, judgeSweep(plan, { entities, events })]
      : [token, skipped('sweep', `first mend the line above; meant to be in force: ${plan.recovers}`)];
  } finally {
    // A handshake that nobody answers would hold it up for longer.
    await endsWithin(access.close(), closingMs);
  }
}

const closingMs = 500;

/** One that is given up for want of an answer is a reply too, so that it takes none of the others with it. */
async function settled<Data>(
  operation: LeanOperation,
  call: Promise<LeanReply<Data>>,
): Promise<LeanReply<Data>> {
  const startedMs = performance.now();
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'LEAN_CALL_ABORTED') throw error;
    const durationMs = Math.round(performance.now() - startedMs);
    const facts = { ...noFacts, operation, durationMs, networkError: 'NO_ANSWER' };
    return { kind: 'failed', failure: failureOfNetwork('CALL_DEADLINE'), facts };
  }
}

function shownCredentials({ LEAN_CERT_FILE: certificate, LEAN_CLIENT_SECRET: secret }: Config): string {
  const shown = [certificate && 'certificate', secret && 'OAuth2 token', 'app token'];
  return shown.filter((part) => part !== undefined).join(' and ');
}

const minuteMs = 60_000;

/** The sweeps' own questions, about the shortest time that makes sense. */
function today(): { readonly from: string; readonly to: string } {
  const day = new Date().toISOString().slice(0, 10);
  return { from: day, to: day };
}

function lastMinute(): { readonly from: string; readonly to: string } {
  const now = Date.now();
  return { from: new Date(now - minuteMs).toISOString(), to: new Date(now).toISOString() };
}

interface ListReplies {
  readonly entities: LeanReply<unknown>;
  /** Null where it is not asked for. */
  readonly events: LeanReply<unknown> | null;
}

export function judgeSweep(plan: DoctorSweepPlan, { entities, events }: ListReplies): DoctorFinding {
  const check = 'sweep';
  const lists = plan.inForce.join(', ');
  if (isPassing(entities)) return notKnownNow('entities', judgeLeanReply(check, entities, { good: '' }));
  const found = judgeLeanReply(check, entities, { good: `in force: ${lists}; recovers ${plan.recovers}` });
  if (events?.kind !== 'failed' || plan.whenDenied === null || found.state !== 'ok') return found;
  const refused = judgeLeanReply(check, events, { good: '' });
  if (isPassing(events)) return notKnownNow('events', refused);
  const message = `Lean's list of events: ${refused.message}. Without it the others recover ${plan.whenDenied.recovers}`;
  return { ...refused, state: 'warning', message };
}

function notKnownNow(list: string, { message, ...finding }: DoctorFinding): DoctorFinding {
  const said = `whether Lean gives its list of ${list} is not known now: ${message}`;
  return { ...finding, state: 'warning', message: said };
}

/** Where Lean has answered something else, or answers so; everything else needs somebody. */
const passesByItself: ReadonlySet<string> = new Set([
  'LEAN_RATE_LIMITED',
  'LEAN_DUPLICATED_REQUEST',
  'LEAN_SERVER_ERROR',
  'LEAN_TIMEOUT',
]);

function isPassing(reply: LeanReply<unknown>): boolean {
  return reply.kind === 'failed' && passesByItself.has(reply.failure.code);
}

export function judgeLeanReply(
  check: string,
  reply: LeanReply<unknown>,
  { good }: { readonly good: string },
): DoctorFinding {
  if (reply.kind !== 'failed') return ok(check, `${good} (${reply.facts.durationMs} ms)`);
  const { failure, facts } = reply;
  const { means, cure } = failureCodes[failure.code];
  const said = [
    facts.httpStatus === null ? null : `HTTP ${facts.httpStatus}`,
    failure.leanStatus,
    facts.networkError,
    facts.correlationId === null ? null : `correlation id ${facts.correlationId}`,
  ].filter((part) => part !== null);
  const message = `${means} It said: ${said.length === 0 ? 'nothing' : said.join(', ')}`;
  // Silence may be a firewall as well as a busy server, and only one of the two passes.
  const state = isPassing(reply) && facts.httpStatus !== null ? 'warning' : 'problem';
  return { check, state, message, cure, code: failure.code };
}
