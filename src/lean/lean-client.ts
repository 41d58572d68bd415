// The calls into Lean. One method is one call; nothing here waits, repeats or pages by itself, and no id goes into a
// URL unchecked. Which dialect is spoken shows in no answer.
import {
  createLeanCaller,
  type CallOptions,
  type LeanCaller,
  type LeanCallerOptions,
} from './lean-caller.ts';
import { createDataCalls, type DataCalls } from './lean-data-v2.ts';
import { createDataCallsV1 } from './lean-data-v1.ts';
import type { LeanMaterial } from './lean-http.ts';
import { listKinds, pageSize, readPage, type ListPage } from './lean-lists.ts';
import type { CustomerQuery, DatesQuery, EntityQuery, EventsQuery } from './lean-queries.ts';
import type { LeanReply } from './lean-reply.ts';
import { readEntity, type EntityData } from './lean-things.ts';
import { urlId } from './url-id.ts';
import type { WireBank } from './wire-bank.ts';
import type { WireConsent } from './wire-consent.ts';
import type { WireEntity } from './wire-entity.ts';
import type { WireEvent } from './wire-event.ts';
import { zoneOfRegion } from './wire-v1.ts';

/** What is the same in both dialects: who the customers are, the banks, the events. */
interface CommonCalls {
  getEntity(query: EntityQuery): Promise<LeanReply<EntityData>>;
  /** All entities of a customer, in one piece. */
  getEntities(query: CustomerQuery): Promise<LeanReply<ListPage<WireEntity>>>;
  /** Of all customers, by the day they were created. */
  getEntitiesByDate(query: DatesQuery): Promise<LeanReply<ListPage<WireEntity>>>;
  /** Documented for KSA only; elsewhere an entity carries its consents (`readConsents`). */
  getConsents(query: CustomerQuery): Promise<LeanReply<ListPage<WireConsent>>>;
  getBanks(query?: CallOptions): Promise<LeanReply<ListPage<WireBank>>>;
  /** Documented for the UAE only, with an OAuth2 token. `raw` of an item goes through `readEnvelope`. */
  getEvents(query: EventsQuery): Promise<LeanReply<ListPage<WireEvent>>>;
}

/** Every method rejects with LEAN_ID_INVALID (nothing was sent) or LEAN_CALL_ABORTED; all else is in the reply. */
export interface LeanClient extends DataCalls, CommonCalls {
  /** New calls use it; calls under way end on the old. Throws LEAN_MATERIAL_INVALID and then keeps the old. */
  replaceMaterial(material: LeanMaterial): void;
  /** The next OAuth2 token is asked for with it; without effect where there was no secret at the start. */
  replaceClientSecret(clientSecret: string): void;
  /** Ends when the calls under way have ended; abort them first to be quick. */
  close(): Promise<void>;
}

export interface LeanClientOptions extends LeanCallerOptions {
  /** The dialect of the data calls; v2 when left out. */
  readonly apiVersion?: 'v1' | 'v2' | undefined;
  /** Where the banks are, for v1's days; the UAE when left out. */
  readonly region?: 'ae' | 'sa' | undefined;
}

/** Throws LEAN_MATERIAL_INVALID. */
export function createLeanClient(options: LeanClientOptions): LeanClient {
  const caller = createLeanCaller(options);
  const data =
    options.apiVersion === 'v1'
      ? createDataCallsV1(caller, zoneOfRegion[options.region ?? 'ae'])
      : createDataCalls(caller);
  return {
    ...data,
    ...createCommonCalls(caller),
    replaceMaterial: (material) => caller.replaceMaterial(material),
    replaceClientSecret: (clientSecret) => caller.replaceClientSecret(clientSecret),
    close: () => caller.close(),
  };
}

function createCommonCalls(caller: LeanCaller): CommonCalls {
  return {
    getEntity: async ({ customerId, entityId, signal }) =>
      caller.call({
        operation: 'entity',
        path: `/customers/v1/${urlId(customerId)}/entities/${urlId(entityId)}`,
        isEnveloped: false,
        read: (source) => readEntity(source, entityId),
        signal,
      }),
    getEntities: async ({ customerId, signal }) =>
      caller.call({
        operation: 'entities',
        path: `/customers/v1/${urlId(customerId)}/entities`,
        isEnveloped: false,
        read: (source) =>
          readPage(source, listKinds.entities, { page: null, belongsTo: { customer_id: customerId } }),
        signal,
      }),
    getEntitiesByDate: async ({ from, to, page, signal }) =>
      caller.call({
        operation: 'entities_by_date',
        path: '/customers/v1/entities',
        query: { start_date: from, end_date: to, page_number: String(page), page_size: String(pageSize) },
        isEnveloped: false,
        read: (source) => readPage(source, listKinds.entitiesByDate, { page, belongsTo: {} }),
        signal,
      }),
    getConsents: async ({ customerId, signal }) =>
      caller.call({
        operation: 'consents',
        path: `/customers/v1/${urlId(customerId)}/consents`,
        isEnveloped: false,
        read(source) {
          const asked = { page: null, belongsTo: { customer_id: customerId } };
          return (
            readPage(source, listKinds.consents, asked) ?? readPage(source, listKinds.consentPages, asked)
          );
        },
        signal,
      }),
    getBanks: async ({ signal } = {}) =>
      caller.call({
        operation: 'banks',
        path: '/banks/v1',
        isEnveloped: false,
        read: (source) => readPage(source, listKinds.banks, { page: null, belongsTo: {} }),
        signal,
      }),
    getEvents: async ({ from, to, type, page, signal }) =>
      caller.call({
        operation: 'events',
        path: '/events/v1',
        query: { page: String(page), size: String(pageSize), from, to, type },
        isEnveloped: false,
        read: (source) => readPage(source, listKinds.events, { page, belongsTo: {} }),
        signal,
      }),
  };
}
