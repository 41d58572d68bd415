// What Lean knows while the simulator runs, beside its customers: pending results and refreshes, banks that are out,
// the events that were to be sent. Knows no sockets.
import { availableBank, type BankAvailability } from './banks.ts';
import { expireConsent, renewConsent, revokeConsent } from './consents.ts';
import {
  findEntity,
  refreshEntity,
  type SimulatedCustomers,
  type SimulatedEntity,
  type SimulatedRefresh,
} from './customers.ts';
import { createEventLog } from './event-log.ts';
import { createRandom, type Random } from './random.ts';
import type { ApiReply, ApiWorld, BankState, Dialect } from './route-helpers.ts';

/** What becomes of a refresh: kinds that end in another word than OK. */
export interface RefreshOutcome {
  dataStatus?: NonNullable<SimulatedRefresh['dataStatus']>;
}

export interface BankOutage {
  /** Default: out for everything. */
  active?: BankAvailability['active'];
  /** Default: as it was, enabled. */
  enabled?: BankAvailability['enabled'];
  /** What data calls end with; default BANK_ISSUE. */
  granularStatusCode?: string;
}

/** The changes a test makes at Lean or at the bank. None of them sends a webhook. */
export interface LeanChanges {
  /** A refresh from start to end: new transactions, other balances, a later `refreshed_at`. Gives the refresh id. */
  refresh(entityId: string, outcome?: RefreshOutcome): string;
  /** Ends a refresh that was asked for over the API. */
  finishRefresh(refreshId: string, outcome?: RefreshOutcome): void;
  /** Lets the results endpoint know a results id that was PENDING. */
  finishResults(resultsId: string): void;
  /** The bank wants its user's password: data calls and refreshes end with RECONNECT_REQUIRED. Gives the reconnect id. */
  requireReconnect(entityId: string): string;
  /** The user has reconnected; the results of that id are ready, where data was asked for in the meantime. */
  reconnect(entityId: string): string;
  expireConsent(entityId: string): void;
  revokeConsent(entityId: string): void;
  /** A new consent in place of the old one; default permissions: those of the old one. */
  renewConsent(entityId: string, permissions?: readonly string[]): void;
  /** The bank cannot be used; its entities' data calls end with FAILED. */
  startOutage(bankIdentifier: string, outage?: BankOutage): void;
  endOutage(bankIdentifier: string): void;
}

export interface World extends ApiWorld {
  readonly changes: LeanChanges;
}

export interface WorldOptions {
  customers: SimulatedCustomers;
  dialect?: Dialect;
  hasEventsApi?: boolean;
  now?: () => number;
  onRefreshStarted?: (refresh: { entityId: string; refreshId: string }) => void;
}

export function createWorld(options: WorldOptions): World {
  const { dialect = null, hasEventsApi = true, now: nowMs = Date.now } = options;
  const random = createRandom(`${options.customers.seed}/server`);
  const results: HeldResults = new Map();
  const outages = new Map<string, BankState>();
  const isoNow = () => new Date(nowMs()).toISOString();
  const world: ApiWorld = {
    customers: options.customers,
    events: createEventLog({ nowMs }),
    dialect,
    hasEventsApi,
    nowMs,
    timestamp: () => isoNow().replace('Z', `${random.digits(6)}Z`),
    newId: () => random.uuid(),
    bankState: ({ identifier }) =>
      outages.get(identifier) ?? { availability: availableBank(), granularStatusCode: 'BANK_ISSUE' },
    storedResults(resultsId) {
      const held = results.get(resultsId);
      return held?.ready ? held.reply() : null;
    },
    holdResults(resultsId, reply) {
      if (!results.has(resultsId)) results.set(resultsId, { reply, ready: false });
    },
    startRefresh(entity) {
      if (entity.refreshes.some(({ status }) => status === 'PENDING')) return null;
      const refreshId = random.uuid();
      const createdAt = isoNow();
      entity.refreshes.unshift({ refreshId, status: 'PENDING', createdAt, updatedAt: createdAt });
      options.onRefreshStarted?.({ entityId: entity.entityId, refreshId });
      return { refreshId };
    },
  };
  return Object.assign(world, { changes: createChanges(world, { random, results, outages, isoNow }) });
}

type HeldResults = Map<string, { reply: () => ApiReply; ready: boolean }>;

interface ChangesOptions {
  random: Random;
  results: HeldResults;
  outages: Map<string, BankState>;
  isoNow: () => string;
}

function createChanges(world: ApiWorld, options: ChangesOptions): LeanChanges {
  const { random, results, outages, isoNow } = options;
  const entityOf = (entityId: string) => existingEntity(world.customers, entityId);
  const changes: LeanChanges = {
    refresh(entityId, outcome) {
      const entity = entityOf(entityId);
      const { refreshId } = world.startRefresh(entity) ?? { refreshId: pendingRefresh(entity) };
      changes.finishRefresh(refreshId, outcome);
      return refreshId;
    },
    finishRefresh(refreshId, { dataStatus } = {}) {
      for (const entity of world.customers.entities) {
        const refresh = entity.refreshes.find((one) => one.refreshId === refreshId);
        if (refresh?.status !== 'PENDING') continue;
        refresh.status = 'FINISHED';
        if (dataStatus) refresh.dataStatus = dataStatus;
        refresh.updatedAt = laterThan(entity.refreshedAt, world.nowMs());
        refreshEntity(entity, { at: refresh.updatedAt, ...(dataStatus ? { dataStatus } : {}) });
      }
    },
    finishResults(resultsId) {
      const held = results.get(resultsId);
      if (held) held.ready = true;
    },
    requireReconnect(entityId) {
      const entity = entityOf(entityId);
      entity.reconnectId ??= random.uuid();
      return entity.reconnectId;
    },
    reconnect(entityId) {
      const entity = entityOf(entityId);
      const { reconnectId } = entity;
      if (reconnectId === null) throw new Error(`the entity ${entityId} needs no reconnect`);
      entity.reconnectId = null;
      changes.finishResults(reconnectId);
      return reconnectId;
    },
    expireConsent: (entityId) => expireConsent(entityOf(entityId), { at: isoNow() }),
    revokeConsent: (entityId) => revokeConsent(entityOf(entityId), { at: isoNow() }),
    renewConsent: (entityId, permissions) =>
      renewConsent(entityOf(entityId), { at: isoNow(), random, ...(permissions ? { permissions } : {}) }),
    startOutage(identifier, { active, enabled, granularStatusCode = 'BANK_ISSUE' } = {}) {
      const availability = {
        active: active ?? { payments: false, data: false },
        enabled: enabled ?? { payments: true, data: true },
      };
      outages.set(identifier, { availability, granularStatusCode });
    },
    endOutage: (identifier) => void outages.delete(identifier),
  };
  return changes;
}

/** Throws where the simulator has no such entity. */
export function existingEntity(customers: SimulatedCustomers, entityId: string): SimulatedEntity {
  const entity = findEntity(customers, entityId);
  if (!entity) throw new Error(`the simulator has no entity ${entityId}`);
  return entity;
}

/** Now, or a second after `instant` where that is later, so that `refreshed_at` always moves forward. */
export function laterThan(instant: string, nowMs: number): string {
  return new Date(Math.max(nowMs, Date.parse(instant) + 1000)).toISOString();
}

function pendingRefresh(entity: SimulatedEntity): string {
  return entity.refreshes.find(({ status }) => status === 'PENDING')?.refreshId ?? '';
}
