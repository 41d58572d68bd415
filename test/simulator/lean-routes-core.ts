// Customers, their entities and consents, the banks, and what was sent: the endpoints beside Lean's bank data.
import { simulatedBanks, findEntity } from './customers.ts';
import { revokeConsent } from './consents.ts';
import {
  banksReply,
  consentsReply,
  customerReply,
  entitiesByDateReply,
  entitiesReply,
  entityReply,
} from './reply-bodies.ts';
import { v1EntitiesReply, v1EntityReply } from './reply-v1.ts';
import {
  bodyMembers,
  dayWindow,
  failure,
  invalid,
  livingEntity,
  ok,
  pageOf,
  unknownEntity,
  type ApiCall,
  type ApiReply,
  type ApiWorld,
} from './route-helpers.ts';

export function banks(world: ApiWorld): ApiReply {
  return ok(banksReply(simulatedBanks, (bank) => world.bankState(bank).availability));
}

export function customer(world: ApiWorld, _call: ApiCall, [customerId]: string[]): ApiReply {
  const [found] = ofCustomer(world, customerId);
  if (found) return ok(customerReply(found));
  return failure(world, { httpStatus: 404, status: 'UNKNOWN_CUSTOMER', message: 'No such customer.' });
}

export function entityOfCustomer(
  world: ApiWorld,
  _call: ApiCall,
  [customerId, entityId = '']: string[],
): ApiReply {
  const entity = livingEntity(world, entityId);
  if (!entity || entity.customerId !== customerId) return unknownEntity(world);
  return ok(world.dialect === 'v1' ? v1EntityReply(entity) : entityReply(entity));
}

export function entitiesOfCustomer(world: ApiWorld, _call: ApiCall, [customerId]: string[]): ApiReply {
  const living = ofCustomer(world, customerId).filter(({ status }) => status === 'ACTIVE');
  return ok(world.dialect === 'v1' ? v1EntitiesReply(living) : entitiesReply(living));
}

export function consentsOfCustomer(world: ApiWorld, _call: ApiCall, [customerId]: string[]): ApiReply {
  return ok(consentsReply(ofCustomer(world, customerId)));
}

/** Created on one of these days; the only list that still has entities that are gone. */
export function entitiesByDate(world: ApiWorld, call: ApiCall): ApiReply {
  const window = dayWindow(call.query.get('start_date'), call.query.get('end_date'));
  const page = pageOf(call.query, { page: 'page_number', size: 'page_size' });
  if (!window || !page) return invalid(world, 'start_date, end_date, page_number or page_size');
  const created = world.customers.entities.filter(({ createdAt }) => {
    const day = createdAt.slice(0, 10);
    return day >= window.start && day <= window.end;
  });
  return ok(entitiesByDateReply(created, page));
}

/** Wants a reason in the body. Its answer is not documented. */
export function deleteEntity(
  world: ApiWorld,
  call: ApiCall,
  [customerId, entityId = '']: string[],
): ApiReply {
  const entity = findEntity(world.customers, entityId);
  if (!entity || entity.status !== 'ACTIVE' || entity.customerId !== customerId) return unknownEntity(world);
  if (!bodyMembers(call.body).has('reason')) return missingParameters(world, 'reason');
  revokeConsent(entity, { at: new Date(world.nowMs()).toISOString() });
  entity.status = 'DELETED';
  return ok('{}');
}

/** Takes a bearer token only, and wants to know page and size. */
export function events(world: ApiWorld, call: ApiCall): ApiReply {
  if (!world.hasEventsApi) {
    return failure(world, { httpStatus: 404, status: 'INVALID_URL', message: 'No such endpoint.' });
  }
  if (!call.hasBearer) {
    return failure(world, { httpStatus: 401, status: 'UNAUTHORIZED', message: 'A bearer token is wanted.' });
  }
  if (!call.query.has('page') || !call.query.has('size')) return missingParameters(world, 'page or size');
  const page = pageOf(call.query, { page: 'page', size: 'size' });
  const fromMs = Date.parse(call.query.get('from') ?? '1970-01-01');
  const toMs = Date.parse(call.query.get('to') ?? '9999-12-31');
  if (!page || Number.isNaN(fromMs) || Number.isNaN(toMs)) return invalid(world, 'page, size, from or to');
  return ok(world.events.page({ ...page, type: call.query.get('type'), fromMs, toMs }));
}

function ofCustomer(world: ApiWorld, customerId: string | undefined) {
  return world.customers.entities.filter((entity) => entity.customerId === customerId);
}

function missingParameters(world: ApiWorld, fields: string): ApiReply {
  const message = `A required parameter is missing: ${fields}.`;
  return failure(world, { httpStatus: 400, status: 'MISSING_PARAMETERS', message });
}
