// Lean's v2 endpoints over simulated customers: a call in, status and text out. Knows no sockets and no tokens.
import { findEntity, simulatedBanks, type SimulatedCustomers, type SimulatedEntity } from './customers.ts';
import {
  accountsReply,
  balancesReply,
  banksReply,
  entitiesByDateReply,
  entitiesReply,
  entityReply,
  errorReply,
  refreshReply,
  refreshTriggeredReply,
  refreshesReply,
  transactionsReply,
} from './reply-bodies.ts';

export interface ApiCall {
  method: string;
  path: string;
  query: URLSearchParams;
  body: string;
}

export interface ApiReply {
  httpStatus: number;
  body: string;
}

export interface ApiWorld {
  customers: SimulatedCustomers;
  /** ISO 8601 UTC as Lean writes it, nine fraction digits. */
  timestamp(): string;
  newId(): string;
  /** Starts a refresh, or gives null while one is pending. */
  startRefresh(entity: SimulatedEntity): { refreshId: string } | null;
  /** The stored reply of a results id, or null while Lean does not know it. */
  storedResults(resultsId: string): ApiReply | null;
}

type Route = (world: ApiWorld, call: ApiCall, segments: string[]) => ApiReply;

/** In order; a path's groups are handed to the route. */
const routes: readonly [method: string, path: RegExp, route: Route][] = [
  ['GET', /^\/banks\/v1\/?$/, () => ok(banksReply(simulatedBanks))],
  ['GET', /^\/customers\/v1\/entities\/?$/, entitiesByDate],
  ['GET', /^\/customers\/v1\/([^/]+)\/entities\/?$/, entitiesOfCustomer],
  ['GET', /^\/customers\/v1\/([^/]+)\/entities\/([^/]+)\/?$/, entityOfCustomer],
  ['GET', /^\/data\/v2\/accounts\/?$/, accounts],
  ['GET', /^\/data\/v2\/accounts\/([^/]+)\/(balances|transactions)\/?$/, accountList],
  ['POST', /^\/data\/v2\/refreshes\/?$/, triggerRefresh],
  ['GET', /^\/data\/v2\/refreshes\/?$/, refreshes],
  ['GET', /^\/data\/v2\/refreshes\/([^/]+)\/?$/, refresh],
  ['GET', /^\/data\/v2\/results\/([^/]+)\/?$/, results],
];

/** Answers one call as Lean's documentation says, errors included. */
export function answerCall(world: ApiWorld, call: ApiCall): ApiReply {
  const onPath = routes.filter(([, path]) => path.test(call.path));
  const found = onPath.find(([method]) => method === call.method);
  if (onPath.length > 0 && !found) {
    return failure(world, { httpStatus: 405, status: 'INVALID_HTTP_METHOD', message: 'Method not allowed.' });
  }
  if (!found) return failure(world, { httpStatus: 404, status: 'INVALID_URL', message: 'No such endpoint.' });
  const [, path, route] = found;
  const segments = path.exec(call.path)?.slice(1) ?? [];
  return route(world, call, segments);
}

/** Lean's error body under an HTTP status. */
export function failure(
  world: Pick<ApiWorld, 'timestamp'>,
  facts: { httpStatus: number; status: string; message: string; resultsId?: string },
): ApiReply {
  const { httpStatus, ...rest } = facts;
  return { httpStatus, body: errorReply({ ...rest, timestamp: world.timestamp() }) };
}

function accounts(world: ApiWorld, call: ApiCall): ApiReply {
  const found = readableEntity(world, { call, permission: 'accounts' });
  if ('refused' in found) return found.refused;
  return ok(accountsReply(found.entity, { ...replyFacts(world, found.entity), ...found.page }));
}

function accountList(world: ApiWorld, call: ApiCall, [accountId, list]: string[]): ApiReply {
  const permission = list === 'balances' ? 'balance' : 'transactions';
  const found = readableEntity(world, { call, permission });
  if ('refused' in found) return found.refused;
  const { entity, page } = found;
  const account = entity.accounts.find((one) => one.accountId === accountId);
  if (!account) {
    const message = 'The account_id provided does not match an account with the entity_id provided.';
    return failure(world, { httpStatus: 404, status: 'UNKNOWN_ACCOUNT', message, resultsId: world.newId() });
  }
  const facts = { ...replyFacts(world, entity), ...page };
  if (list === 'balances') return ok(balancesReply({ entity, account }, facts));
  const window = dateWindow(call.query);
  if (!window) return invalid(world, 'start_date or end_date');
  const transactions = account.transactions.filter(({ bookingDateTime }) => {
    const day = bookingDateTime?.slice(0, 10);
    return day === undefined || (day >= window.start && day <= window.end);
  });
  return ok(transactionsReply({ entity, account }, { ...facts, transactions }));
}

function triggerRefresh(world: ApiWorld, call: ApiCall): ApiReply {
  const entity = findEntity(world.customers, entityIdInBody(call.body));
  if (!entity) return unknownEntity(world);
  const started = world.startRefresh(entity);
  if (started) return ok(refreshTriggeredReply({ ...started, timestamp: world.timestamp() }));
  const message = 'Data refresh is already pending.';
  return failure(world, { httpStatus: 429, status: 'DUPLICATED_REQUEST', message });
}

function refreshes(world: ApiWorld, call: ApiCall): ApiReply {
  const entity = findEntity(world.customers, call.query.get('entity_id') ?? '');
  if (!entity) return unknownEntity(world);
  const page = pageOf(call.query, { page: 'page', size: 'size' });
  return page ? ok(refreshesReply(entity, page)) : invalid(world, 'page or size');
}

function refresh(world: ApiWorld, _call: ApiCall, [refreshId]: string[]): ApiReply {
  for (const entity of world.customers.entities) {
    const found = entity.refreshes.find((one) => one.refreshId === refreshId);
    if (found) return ok(refreshReply(entity, found));
  }
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_REFRESH', message: 'No such refresh.' });
}

function results(world: ApiWorld, _call: ApiCall, [resultsId = '']: string[]): ApiReply {
  const stored = world.storedResults(resultsId);
  if (stored) return stored;
  const message = 'The results_id provided has not been recognized by Lean or has not been processed yet';
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_RESULTS_ID', message, resultsId: world.newId() });
}

function entityOfCustomer(world: ApiWorld, _call: ApiCall, [customerId, entityId]: string[]): ApiReply {
  const entity = findEntity(world.customers, entityId ?? '');
  return entity && entity.customerId === customerId ? ok(entityReply(entity)) : unknownEntity(world);
}

function entitiesOfCustomer(world: ApiWorld, _call: ApiCall, [customerId]: string[]): ApiReply {
  return ok(entitiesReply(world.customers.entities.filter((entity) => entity.customerId === customerId)));
}

function entitiesByDate(world: ApiWorld, call: ApiCall): ApiReply {
  const window = dateWindow(call.query);
  const page = pageOf(call.query, { page: 'page_number', size: 'page_size' });
  if (!window || !page) return invalid(world, 'start_date, end_date, page_number or page_size');
  const inWindow = world.customers.entities.filter(({ createdAt }) => {
    const day = createdAt.slice(0, 10);
    return day >= window.start && day <= window.end;
  });
  return ok(entitiesByDateReply(inWindow, page));
}

type Readable = { entity: SimulatedEntity; page: { page: number; size: number } } | { refused: ApiReply };

/** The entity of a data call, if it is known, still consented and allows this type. */
function readableEntity(world: ApiWorld, asked: { call: ApiCall; permission: string }): Readable {
  const { call, permission } = asked;
  const page = pageOf(call.query, { page: 'page', size: 'size' });
  if (!page) return { refused: invalid(world, 'page or size') };
  const entity = findEntity(world.customers, call.query.get('entity_id') ?? '');
  if (!entity) return { refused: unknownEntity(world) };
  if (entity.permissions.length === 0) {
    const message =
      'Consent was suspended, revoked, or expired. New consent is required, please connect again.';
    return { refused: failure(world, { httpStatus: 403, status: 'CONSENT_EXPIRED', message }) };
  }
  if (!entity.permissions.includes(permission)) {
    const message = `The entity does not grant ${permission}.`;
    return { refused: failure(world, { httpStatus: 403, status: 'INSUFFICIENT_ACCESS_LEVEL', message }) };
  }
  return { entity, page };
}

function replyFacts(world: ApiWorld, entity: SimulatedEntity) {
  return { resultsId: world.newId(), timestamp: world.timestamp(), refreshedAt: entity.refreshedAt };
}

function pageOf(query: URLSearchParams, names: { page: string; size: string }) {
  const page = Number(query.get(names.page) ?? 0);
  const size = Number(query.get(names.size) ?? 50);
  const valid = Number.isInteger(page) && page >= 0 && Number.isInteger(size) && size >= 1 && size <= 100;
  return valid ? { page, size } : null;
}

const day = /^\d{4}-\d{2}-\d{2}$/;

function dateWindow(query: URLSearchParams) {
  const start = query.get('start_date') ?? '0000-01-01';
  const end = query.get('end_date') ?? '9999-12-31';
  return day.test(start) && day.test(end) ? { start, end } : null;
}

function entityIdInBody(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'entity_id' in parsed)
      return String(parsed.entity_id);
  } catch {
    // Not JSON: answered like an entity Lean does not know.
  }
  return '';
}

function unknownEntity(world: ApiWorld): ApiReply {
  const message = 'The entity_id provided did not match an account in our records.';
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_ENTITY', message, resultsId: world.newId() });
}

function invalid(world: ApiWorld, fields: string): ApiReply {
  const message = `The request is badly formatted or a parameter of the wrong type has been provided: ${fields}.`;
  return failure(world, { httpStatus: 400, status: 'INVALID_PARAMETERS', message, resultsId: world.newId() });
}

function ok(body: string): ApiReply {
  return { httpStatus: 200, body };
}
