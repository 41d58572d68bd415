// The consents of simulated entities and what becomes of them: expired, revoked by the customer, renewed, a reconnect
// asked for. Changes the entity it is given; that Lean tells of it by a webhook is the sender's business.
import type { SimulatedEntity } from './customers.ts';
import type { Random } from './random.ts';

export interface SimulatedConsent {
  consentId: string;
  bankConsentId: string;
  /** Of the newest consent; an older one is always REVOKED. */
  status: 'ACTIVE' | 'REVOKED' | 'REJECTED';
  createdAt: string;
  statusUpdatedAt: string;
  expiresAt: string;
  transactionsFrom: string;
  transactionsTo: string;
  permissions: string[];
}

const yearMs = 365 * 86_400_000;

export function createConsent(facts: {
  consentId: string;
  createdAt: string;
  permissions: readonly string[];
}): SimulatedConsent {
  const { consentId, createdAt, permissions } = facts;
  const yearsLater = (years: number) => new Date(Date.parse(createdAt) + years * yearMs).toISOString();
  return {
    consentId,
    bankConsentId: `bank-${consentId}`,
    status: 'ACTIVE',
    createdAt,
    statusUpdatedAt: createdAt,
    expiresAt: yearsLater(1),
    transactionsFrom: yearsLater(-1),
    transactionsTo: yearsLater(1),
    permissions: [...permissions],
  };
}

/** As Lean would list them, newest first. An active one allows what the entity allows, and nothing means revoked. */
export function consentsOf(entity: SimulatedEntity): SimulatedConsent[] {
  const [newest, ...older] = entity.consents;
  if (!newest) return [];
  if (newest.status !== 'ACTIVE') return entity.consents;
  const revoked = entity.permissions.length === 0;
  return [
    revoked ? { ...newest, status: 'REVOKED' } : { ...newest, permissions: [...entity.permissions] },
    ...older,
  ];
}

/** Whether Lean may read the bank for this entity. */
export function isConsented(entity: SimulatedEntity): boolean {
  return consentsOf(entity)[0]?.status === 'ACTIVE';
}

/** The consent's time is over: data calls end with CONSENT_EXPIRED, the entity keeps its permissions. */
export function expireConsent(entity: SimulatedEntity, { at }: { at: string }): void {
  endConsent(entity, { at, expiresAt: at });
}

/** The customer takes the whole consent back. */
export function revokeConsent(entity: SimulatedEntity, { at }: { at: string }): void {
  endConsent(entity, { at });
  entity.permissions = [];
}

/** The customer has connected again: a new consent, the old one revoked. */
export function renewConsent(
  entity: SimulatedEntity,
  { at, random, permissions }: { at: string; random: Random; permissions?: readonly string[] },
): void {
  const allowed = permissions ?? entity.consents[0]?.permissions ?? entity.permissions;
  endConsent(entity, { at });
  entity.permissions = [...allowed];
  entity.consents.unshift(
    createConsent({ consentId: random.uuid(), createdAt: at, permissions: entity.permissions }),
  );
}

function endConsent(entity: SimulatedEntity, { at, expiresAt }: { at: string; expiresAt?: string }): void {
  const [newest] = entity.consents;
  if (newest?.status !== 'ACTIVE') return;
  newest.permissions = [...entity.permissions];
  newest.status = 'REVOKED';
  newest.statusUpdatedAt = at;
  if (expiresAt !== undefined) newest.expiresAt = expiresAt;
}
