// What the routes of Lean's API share: the world they read, the calls they get, and the refusals every one of them gives.
import type { BankAvailability, SimulatedBank } from './banks.ts';
import { isConsented } from './consents.ts';
import { findEntity, type SimulatedCustomers, type SimulatedEntity } from './customers.ts';
import type { EventLog } from './event-log.ts';
import { refreshedAtOf, type DataKind } from './refresh-words.ts';
import { emptyReply, errorReply } from './reply-bodies.ts';
import { v1EmptyReply, v1ReconnectReply } from './reply-v1.ts';

export type Dialect = 'v1' | 'v2';

export interface ApiCall {
  method: string;
  path: string;
  query: URLSearchParams;
  body: string;
  /** A valid bearer token came with it. */
  hasBearer: boolean;
}

export interface ApiReply {
  httpStatus: number;
  body: string;
  /** Default `application/json`. */
  contentType?: string;
}

export interface BankState {
  availability: BankAvailability;
  /** What data calls of its entities end with while data cannot be had. */
  granularStatusCode: string;
}

export interface ApiWorld {
  customers: SimulatedCustomers;
  readonly events: EventLog;
  /** What is served under the paths that both dialects share; null: v2's forms, and the data paths of both. */
  readonly dialect: Dialect | null;
  /** False plays Saudi Arabia, whose API has no `GET /events/v1`. */
  readonly hasEventsApi: boolean;
  nowMs(): number;
  /** ISO 8601 UTC as Lean writes it, nine fraction digits. */
  timestamp(): string;
  newId(): string;
  bankState(bank: SimulatedBank): BankState;
  /** Starts a refresh, or gives null while one is pending. */
  startRefresh(entity: SimulatedEntity): { refreshId: string } | null;
  /** Keeps what the results endpoint will answer once these results are ready. */
  holdResults(resultsId: string, reply: () => ApiReply): void;
  /** The stored reply of a results id, or null while Lean does not know it. */
  storedResults(resultsId: string): ApiReply | null;
}

export type Route = (world: ApiWorld, call: ApiCall, segments: string[]) => ApiReply;

export function ok(body: string): ApiReply {
  return { httpStatus: 200, body };
}

/** Lean's error body under an HTTP status. */
export function failure(
  world: Pick<ApiWorld, 'timestamp'>,
  facts: { httpStatus: number; status: string; message: string; resultsId?: string },
): ApiReply {
  const { httpStatus, ...rest } = facts;
  return { httpStatus, body: errorReply({ ...rest, timestamp: world.timestamp() }) };
}

export function unknownEntity(world: ApiWorld): ApiReply {
  const message = 'The entity_id provided did not match an account in our records.';
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_ENTITY', message, resultsId: world.newId() });
}

export function unknownAccount(world: ApiWorld): ApiReply {
  const message = 'The account_id provided does not match an account with the entity_id provided.';
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_ACCOUNT', message, resultsId: world.newId() });
}

export function invalid(world: ApiWorld, fields: string): ApiReply {
  const message = `The request is badly formatted or a parameter of the wrong type has been provided: ${fields}.`;
  return failure(world, { httpStatus: 400, status: 'INVALID_PARAMETERS', message, resultsId: world.newId() });
}

/** An entity Lean still serves. */
export function livingEntity(world: ApiWorld, entityId: string): SimulatedEntity | undefined {
  const entity = findEntity(world.customers, entityId);
  return entity?.status === 'ACTIVE' ? entity : undefined;
}

/** 403 for an entity whose consent is over, else null. */
export function refuseConsent(world: ApiWorld, entity: SimulatedEntity): ApiReply | null {
  if (isConsented(entity)) return null;
  const message =
    'Consent was suspended, revoked, or expired. New consent is required, please connect the entity once again.';
  return failure(world, { httpStatus: 403, status: 'CONSENT_EXPIRED', message });
}

type Readable = { entity: SimulatedEntity } | { refused: ApiReply };

/** The entity of a data call, if it is known, consented, allows one of these, and its bank can be asked. */
export function readableEntity(
  world: ApiWorld,
  asked: {
    entityId: string;
    permissions: readonly string[];
    dialect: Dialect;
    /** Answers the very same call, for results that are fetched after a reconnect. */
    again: () => ApiReply;
  },
): Readable {
  const { entityId, permissions, dialect, again } = asked;
  const entity = livingEntity(world, entityId);
  if (!entity) return { refused: unknownEntity(world) };
  const refused = refuseConsent(world, entity);
  if (refused) return { refused };
  if (!permissions.some((permission) => entity.permissions.includes(permission))) {
    const message = `The entity does not grant ${permissions.join(' or ')}.`;
    return { refused: failure(world, { httpStatus: 403, status: 'INSUFFICIENT_ACCESS_LEVEL', message }) };
  }
  if (entity.reconnectId !== null) {
    world.holdResults(entity.reconnectId, again);
    return { refused: reconnectRequired(world, { reconnectId: entity.reconnectId, dialect }) };
  }
  const { availability, granularStatusCode } = world.bankState(entity.bank);
  if (availability.active.data && availability.enabled.data) return { entity };
  return { refused: bankFailed(world, { granularStatusCode, dialect }) };
}

export function reconnectRequired(
  world: ApiWorld,
  { reconnectId, dialect }: { reconnectId: string; dialect: Dialect },
): ApiReply {
  const timestamp = world.timestamp();
  if (dialect === 'v1') return ok(v1ReconnectReply({ resultsId: world.newId(), timestamp, reconnectId }));
  const message = 'User input is required to reconnect with the bank';
  return ok(emptyReply({ status: 'RECONNECT_REQUIRED', message, resultsId: reconnectId, timestamp }));
}

/** HTTP 200 with status FAILED. */
export function bankFailed(
  world: ApiWorld,
  facts: { granularStatusCode: string; dialect: Dialect; message?: string; withoutData?: boolean },
): ApiReply {
  const { granularStatusCode, dialect, withoutData = false } = facts;
  const { message = 'Your bank is currently experiencing technological problems. Please try again later.' } =
    facts;
  const common = {
    status: 'FAILED',
    message,
    resultsId: world.newId(),
    timestamp: world.timestamp(),
    granularStatusCode,
  };
  return ok(dialect === 'v1' ? v1EmptyReply(common) : emptyReply({ ...common, withoutData }));
}

export function replyFacts(world: ApiWorld, entity: SimulatedEntity, kind: DataKind) {
  const refreshedAt = refreshedAtOf(entity, kind);
  return { resultsId: world.newId(), timestamp: world.timestamp(), refreshedAt };
}

export function pageOf(query: URLSearchParams, names: { page: string; size: string }) {
  const page = Number(query.get(names.page) ?? 0);
  const size = Number(query.get(names.size) ?? 50);
  const valid = Number.isInteger(page) && page >= 0 && Number.isInteger(size) && size >= 1 && size <= 100;
  return valid ? { page, size } : null;
}

const day = /^\d{4}-\d{2}-\d{2}$/;

/** Days `YYYY-MM-DD` in UTC, both included; null where one is none. */
export function dayWindow(start: string | null | undefined, end: string | null | undefined) {
  const window = { start: start ?? '0000-01-01', end: end ?? '9999-12-31' };
  return day.test(window.start) && day.test(window.end) ? window : null;
}

/** Those of a window; what has no date is always among them. */
export function inWindow<T extends { bookingDateTime: string | null }>(
  all: readonly T[],
  window: { start: string; end: string },
): T[] {
  return all.filter(({ bookingDateTime }) => {
    const booked = bookingDateTime?.slice(0, 10);
    return booked === undefined || (booked >= window.start && booked <= window.end);
  });
}

/** Members of a JSON body as text; nothing of a body that is no JSON object. */
export function bodyMembers(body: string): ReadonlyMap<string, string> {
  try {
    const parsed: unknown = JSON.parse(body);
    const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : [];
    return new Map(entries.flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]])));
  } catch {
    return new Map();
  }
}
