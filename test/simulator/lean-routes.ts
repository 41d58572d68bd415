// Lean's endpoints over simulated customers: a call in, status and text out. Knows no sockets and no tokens.
import {
  banks,
  consentsOfCustomer,
  customer,
  deleteEntity,
  entitiesByDate,
  entitiesOfCustomer,
  entityOfCustomer,
  events,
} from './lean-routes-core.ts';
import { v1Accounts, v1Balance, v1Identity, v1Transactions } from './lean-routes-v1.ts';
import type { DataKind } from './refresh-words.ts';
import {
  accountIdentitiesReply,
  beneficiariesReply,
  directDebitsReply,
  identityReply,
  scheduledPaymentsReply,
  standingOrdersReply,
} from './reply-arrangements.ts';
import {
  accountsReply,
  balancesReply,
  refreshReconnectReply,
  refreshReply,
  refreshTriggeredReply,
  refreshesReply,
  transactionsReply,
  type PageRequest,
  type ReplyFacts,
} from './reply-bodies.ts';
import type { AccountOfEntity } from './reply-items.ts';
import {
  bodyMembers,
  dayWindow,
  failure,
  inWindow,
  invalid,
  livingEntity,
  ok,
  pageOf,
  readableEntity,
  refuseConsent,
  replyFacts,
  unknownAccount,
  unknownEntity,
  type ApiCall,
  type ApiReply,
  type ApiWorld,
  type Dialect,
  type Route,
} from './route-helpers.ts';

interface Endpoint {
  method: string;
  path: RegExp;
  route: Route;
  /** Of one dialect only; absent: of both. */
  dialect?: Dialect;
}

/** In order; a path's groups are handed to the route. */
const endpoints: readonly Endpoint[] = [
  { method: 'GET', path: /^\/banks\/v1\/?$/, route: banks },
  { method: 'GET', path: /^\/events\/v1\/?$/, route: events },
  { method: 'GET', path: /^\/customers\/v1\/entities\/?$/, route: entitiesByDate },
  { method: 'GET', path: /^\/customers\/v1\/([^/]+)\/?$/, route: customer },
  { method: 'GET', path: /^\/customers\/v1\/([^/]+)\/consents\/?$/, route: consentsOfCustomer },
  { method: 'GET', path: /^\/customers\/v1\/([^/]+)\/entities\/?$/, route: entitiesOfCustomer },
  { method: 'GET', path: /^\/customers\/v1\/([^/]+)\/entities\/([^/]+)\/?$/, route: entityOfCustomer },
  { method: 'DELETE', path: /^\/customers\/v1\/([^/]+)\/entities\/([^/]+)\/?$/, route: deleteEntity },
  { method: 'POST', path: /^\/data\/v1\/identity\/?$/, route: v1Identity, dialect: 'v1' },
  { method: 'POST', path: /^\/data\/v1\/accounts\/?$/, route: v1Accounts, dialect: 'v1' },
  { method: 'POST', path: /^\/data\/v1\/balance\/?$/, route: v1Balance, dialect: 'v1' },
  { method: 'POST', path: /^\/data\/v1\/transactions\/?$/, route: v1Transactions, dialect: 'v1' },
  { method: 'GET', path: /^\/v1\/results\/([^/]+)\/?$/, route: results, dialect: 'v1' },
  { method: 'GET', path: /^\/data\/v2\/accounts\/?$/, route: accounts, dialect: 'v2' },
  { method: 'GET', path: /^\/data\/v2\/identity\/?$/, route: identity, dialect: 'v2' },
  { method: 'GET', path: /^\/data\/v2\/accounts\/([^/]+)\/([^/]+)\/?$/, route: accountList, dialect: 'v2' },
  { method: 'POST', path: /^\/data\/v2\/refreshes\/?$/, route: triggerRefresh, dialect: 'v2' },
  { method: 'GET', path: /^\/data\/v2\/refreshes\/?$/, route: refreshes, dialect: 'v2' },
  { method: 'GET', path: /^\/data\/v2\/refreshes\/([^/]+)\/?$/, route: refresh, dialect: 'v2' },
  { method: 'GET', path: /^\/data\/v2\/results\/([^/]+)\/?$/, route: results, dialect: 'v2' },
];

/** Answers one call as Lean's documentation says, errors included. */
export function answerCall(world: ApiWorld, call: ApiCall): ApiReply {
  const isServed = (dialect?: Dialect) =>
    dialect === undefined || world.dialect === null || dialect === world.dialect;
  const onPath = endpoints.filter(({ path, dialect }) => path.test(call.path) && isServed(dialect));
  const found = onPath.find(({ method }) => method === call.method);
  if (onPath.length > 0 && !found) {
    return failure(world, { httpStatus: 405, status: 'INVALID_HTTP_METHOD', message: 'Method not allowed.' });
  }
  if (!found) return failure(world, { httpStatus: 404, status: 'INVALID_URL', message: 'No such endpoint.' });
  const segments = found.path.exec(call.path)?.slice(1) ?? [];
  return found.route(world, call, segments);
}

/** Whether the call may be answered PENDING, and asks for it. */
export function asksForAsync(call: ApiCall): Dialect | null {
  if (call.path.startsWith('/data/v1/')) {
    return bodyMembers(call.body).get('async') === 'true' ? 'v1' : null;
  }
  const isData = /^\/data\/v2\/(accounts|identity)/.test(call.path);
  return isData && call.query.get('async') === 'true' ? 'v2' : null;
}

export function dialectOf({ path }: Pick<ApiCall, 'path'>): Dialect {
  return /^\/(data\/)?v1\//.test(path) ? 'v1' : 'v2';
}

function accounts(world: ApiWorld, call: ApiCall): ApiReply {
  const found = readable(world, { call, permissions: ['accounts'], kind: 'accounts' });
  return 'refused' in found ? found.refused : ok(accountsReply(found.entity, found.facts));
}

function identity(world: ApiWorld, call: ApiCall): ApiReply {
  const found = readable(world, { call, permissions: ['identity'], kind: 'identity' });
  return 'refused' in found ? found.refused : ok(identityReply(found.entity, found.facts));
}

interface AccountListKind {
  /** Any of these allows it. */
  permissions: readonly string[];
  kind: DataKind;
  reply: (owned: AccountOfEntity, facts: ReplyFacts & PageRequest) => string;
}

/** Lists of one account, by the last part of the path. */
const accountLists = new Map<string, AccountListKind>([
  ['balances', { permissions: ['balance'], kind: 'balance', reply: balancesReply }],
  ['transactions', { permissions: ['transactions'], kind: 'transactions', reply: transactionsReply }],
  [
    'identities',
    // Which of the two permissions this list takes is not documented.
    { permissions: ['identities', 'identity'], kind: 'account_identity', reply: accountIdentitiesReply },
  ],
  ['beneficiaries', { permissions: ['beneficiaries'], kind: 'beneficiaries', reply: beneficiariesReply }],
  ['direct-debits', { permissions: ['direct_debits'], kind: 'direct_debits', reply: directDebitsReply }],
  [
    'standing-orders',
    { permissions: ['standing_orders'], kind: 'standing_orders', reply: standingOrdersReply },
  ],
  [
    'scheduled-payments',
    { permissions: ['scheduled_payments'], kind: 'scheduled_payments', reply: scheduledPaymentsReply },
  ],
]);

function accountList(world: ApiWorld, call: ApiCall, [accountId, name = '']: string[]): ApiReply {
  const list = accountLists.get(name);
  if (!list) return failure(world, { httpStatus: 404, status: 'INVALID_URL', message: 'No such endpoint.' });
  const found = readable(world, { call, ...list });
  if ('refused' in found) return found.refused;
  const { entity, facts } = found;
  const account = entity.accounts.find((one) => one.accountId === accountId);
  if (!account) return unknownAccount(world);
  if (list.kind !== 'transactions') return ok(list.reply({ entity, account }, facts));
  const window = dayWindow(call.query.get('start_date'), call.query.get('end_date'));
  if (!window) return invalid(world, 'start_date or end_date');
  const transactions = inWindow(account.transactions, window);
  return ok(transactionsReply({ entity, account }, { ...facts, transactions }));
}

function readable(world: ApiWorld, asked: { call: ApiCall; permissions: readonly string[]; kind: DataKind }) {
  const { call, permissions, kind } = asked;
  const page = pageOf(call.query, { page: 'page', size: 'size' });
  if (!page) return { refused: invalid(world, 'page or size') };
  const entityId = call.query.get('entity_id') ?? '';
  const again = () => answerCall(world, call);
  const found = readableEntity(world, { entityId, permissions, dialect: 'v2', again });
  if ('refused' in found) return found;
  const { entity } = found;
  return { entity, facts: { ...replyFacts(world, entity, kind), ...page } };
}

function triggerRefresh(world: ApiWorld, call: ApiCall): ApiReply {
  const entity = livingEntity(world, bodyMembers(call.body).get('entity_id') ?? '');
  if (!entity) return unknownEntity(world);
  const refused = refuseConsent(world, entity);
  if (refused) return refused;
  const { reconnectId } = entity;
  const timestamp = world.timestamp();
  if (reconnectId !== null) return ok(refreshReconnectReply({ reconnectId, timestamp }));
  const started = world.startRefresh(entity);
  if (started) return ok(refreshTriggeredReply({ ...started, timestamp }));
  const message = 'Data refresh is already pending.';
  return failure(world, { httpStatus: 429, status: 'DUPLICATED_REQUEST', message });
}

function refreshes(world: ApiWorld, call: ApiCall): ApiReply {
  const entity = livingEntity(world, call.query.get('entity_id') ?? '');
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
