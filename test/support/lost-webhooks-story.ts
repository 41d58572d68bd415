// What happens at Lean in a story of lost webhooks, in two chapters: customers connect, are read, take their consent back
// or give it anew, and a bank goes and comes. Sends nothing.
import { renewConsent, revokeConsent } from '../simulator/consents.ts';
import { simulatedBanks, type SimulatedBank } from '../simulator/banks.ts';
import {
  generateCustomers,
  refreshEntity,
  type Region,
  type SimulatedEntity,
} from '../simulator/customers.ts';
import type { LeanServer } from '../simulator/lean-server.ts';
import { createRandom, type Random } from '../simulator/random.ts';
import {
  bankAvailability,
  consentStatusUpdated,
  entityCreated,
  entityUpdated,
  refreshUpdated,
  terminalStatus,
  type WebhookEvent,
} from '../simulator/webhook-bodies.ts';

const hourMs = 3_600_000;
const entityCount = 6;

export interface Chapter {
  /** Lean's time of its replies: after what it tells of, and long ago, so that no webhook can still be on its way. */
  readonly answeredMs: number;
  readonly tell: (lean: LeanServer) => WebhookEvent[];
}

/** Equal for equal arguments, so that two runs differ in nothing but what arrives. */
export function openStory(region: Region, endsAt: number) {
  const seed = `lost-${region}`;
  const random = createRandom(`${seed}/story`);
  const [firstMs, secondMs] = [endsAt - 1.75 * hourMs, endsAt - hourMs];
  const at = new Date(firstMs).toISOString();
  const customers = generateCustomers({
    seed,
    entities: entityCount,
    accounts: 1,
    transactions: 12,
    region,
    at,
  });
  const [bank, other] = banksOf(region);
  // Nobody is connected yet when the worker starts.
  const connected = customers.entities.splice(0);
  for (const entity of connected) entity.bank = bank;
  const envelopes = envelopesFrom(random);

  const tellFirst = (lean: LeanServer) => {
    const next = envelopes(firstMs);
    customers.entities.push(...connected);
    lean.startOutage(other.identifier);
    return [
      bankAvailability({ ...next(), identifier: bank.identifier, data: false }),
      bankAvailability({ ...next(), identifier: other.identifier, data: false }),
      bankAvailability({ ...next(), identifier: bank.identifier, data: true }),
      ...connected.flatMap((entity) => connection(entity, next)),
    ];
  };
  const tellSecond = (lean: LeanServer) => {
    const next = envelopes(secondMs);
    lean.endOutage(other.identifier);
    return [
      bankAvailability({ ...next(), identifier: other.identifier, data: true }),
      ...connected.flatMap((entity, place) =>
        laterLife(entity, { place, next, random, at: new Date(secondMs).toISOString() }),
      ),
    ];
  };
  const story: readonly Chapter[] = [
    { answeredMs: endsAt - 1.5 * hourMs, tell: tellFirst },
    { answeredMs: endsAt - 0.75 * hourMs, tell: tellSecond },
  ];
  return { customers, story };
}

function banksOf(region: Region): [SimulatedBank, SimulatedBank] {
  const [bank, other] = simulatedBanks.filter(({ countryCode }) => countryCode === countries[region]);
  if (bank === undefined || other === undefined) throw new Error(`no two banks in ${region}`);
  return [bank, other];
}
const countries: Readonly<Record<Region, string>> = { ae: 'ARE', sa: 'SAU' };

type NextEnvelope = () => { eventId: string; timestamp: string };

/** A millisecond apart. */
function envelopesFrom(random: Random): (fromMs: number) => NextEnvelope {
  return (fromMs) => {
    let nowMs = fromMs;
    return () => {
      nowMs += 1;
      const timestamp = new Date(nowMs).toISOString().replace('Z', `${random.digits(6)}Z`);
      return { eventId: random.uuid(), timestamp };
    };
  };
}

/** Connected with too few permissions, which are corrected; read by Lean. */
function connection(entity: SimulatedEntity, next: NextEnvelope): WebhookEvent[] {
  const permissions = entity.permissions.filter((permission) => permission !== 'identity');
  return [
    entityCreated(entity, { ...next(), permissions }),
    consentStatusUpdated(entity, { ...next(), status: 'ACTIVE' }),
    ...reading(entity, next),
    entityUpdated(entity, next()),
  ];
}

interface LaterLife {
  readonly place: number;
  readonly next: NextEnvelope;
  readonly random: Random;
  readonly at: string;
}

/** Taken back, allowed anew for less, or simply read again. */
function laterLife(entity: SimulatedEntity, { place, next, random, at }: LaterLife): WebhookEvent[] {
  if (place % 4 === 0) {
    revokeConsent(entity, { at });
    return [consentStatusUpdated(entity, { ...next(), status: 'REVOKED' }), entityUpdated(entity, next())];
  }
  if (place % 4 === 1) {
    const permissions = entity.permissions.filter((permission) => !permission.startsWith('identit'));
    renewConsent(entity, { at, random, permissions });
    return [entityUpdated(entity, next()), consentStatusUpdated(entity, { ...next(), status: 'ACTIVE' })];
  }
  const refresh = { refreshId: random.uuid(), status: 'FINISHED', createdAt: at, updatedAt: at } as const;
  entity.refreshes.unshift({ ...refresh });
  refreshEntity(entity, { at });
  return reading(entity, next);
}

function reading(entity: SimulatedEntity, next: NextEnvelope): WebhookEvent[] {
  const refreshId = entity.refreshes[0]?.refreshId ?? '';
  const states = ['PENDING', 'PENDING', terminalStatus(entity)];
  return states.map((status) => refreshUpdated(entity, { ...next(), refreshId, status }));
}
