// The exact text of Lean's webhooks as they are pushed: five envelope keys, payload keys as captured per region.
// What no capture shows (a PENDING refresh, entity.updated) follows the nearest captured form.
import type { SimulatedEntity } from './customers.ts';
import { numberLiteral } from './json-text.ts';
import { refreshWords, type DataKind } from './refresh-words.ts';

export interface Envelope {
  eventId: string;
  /** ISO 8601 UTC with up to nine fraction digits. */
  timestamp: string;
}

/** One webhook ready to be sent. */
export interface WebhookEvent {
  readonly eventId: string;
  readonly type: string;
  readonly body: string;
}

const messages: Readonly<Record<string, string>> = {
  'entity.created': 'An entity object has been created.',
  'entity.updated': 'An entity object has been updated.',
  'entity.reconnected':
    'The reconnect was successful and the results are ready for collection from the results endpoint.',
  'entity.data.refresh.updated': 'An entity data refresh state has been updated.',
  'results.ready': 'Your results are ready.',
  'payment.created': 'A payment object has been created.',
  'payment.updated': 'A payment object has been updated.',
  'payment_source.created': 'A payment source was pre-authorized by your customer.',
  'bank.availability.updated': 'The bank status has been updated.',
};

/** Any webhook at all, known type or not. */
export function webhookEvent(envelope: Envelope & { type: string; payload: unknown }): WebhookEvent {
  const { eventId, timestamp, type, payload } = envelope;
  const message = messages[type] ?? 'An event has occurred.';
  const body = JSON.stringify({ type, message, payload, event_id: eventId, timestamp });
  return { eventId, type, body };
}

/** `permissions` default to what the entity allows now. */
export function entityCreated(
  entity: SimulatedEntity,
  envelope: Envelope & { permissions?: readonly string[] },
): WebhookEvent {
  return webhookEvent({ ...envelope, type: 'entity.created', payload: entityPayload(entity, envelope) });
}

/** As v1 pushes it: the data can be asked for at once, no refresh will be told of. */
export function v1EntityCreated(
  entity: SimulatedEntity,
  envelope: Envelope & { endUserId?: string },
): WebhookEvent {
  const { swift_code: _swiftCode, account_type: _accountType, ...bankDetails } = bankDetailsOf(entity);
  const payload = {
    ...entityPayload(entity, {}),
    permissions: entity.permissions.filter((permission) => v1Permissions.has(permission)),
    bank_details: bankDetails,
    ...(envelope.endUserId === undefined ? {} : { end_user_id: envelope.endUserId }),
  };
  return webhookEvent({ ...envelope, type: 'entity.created', payload });
}

const v1Permissions: ReadonlySet<string> = new Set(['identity', 'accounts', 'balance', 'transactions']);

/** A change of consent: re-connected, widened or revoked. */
export function entityUpdated(
  entity: SimulatedEntity,
  envelope: Envelope & { permissions?: readonly string[] },
): WebhookEvent {
  return webhookEvent({ ...envelope, type: 'entity.updated', payload: entityPayload(entity, envelope) });
}

export function entityReconnected(
  entity: SimulatedEntity,
  envelope: Envelope & { reconnectId: string },
): WebhookEvent {
  const payload = { id: entity.entityId, reconnect_id: envelope.reconnectId };
  return webhookEvent({ ...envelope, type: 'entity.reconnected', payload });
}

export interface RefreshFacts {
  refreshId: string;
  /** PENDING while it runs; FINISHED (KSA) or OK (UAE) at its end. */
  status: string;
  /** Of every data type; default PENDING while pending, else OK. */
  dataStatus?: string;
  /** Kinds that ended otherwise; default: as the entity's refresh of this id has it. */
  kinds?: Partial<Record<DataKind, string>>;
}

export function refreshUpdated(entity: SimulatedEntity, facts: Envelope & RefreshFacts): WebhookEvent {
  const { refreshId, status } = facts;
  const usual = facts.dataStatus ?? (status === 'PENDING' ? 'PENDING' : 'OK');
  const known = entity.refreshes.find((refresh) => refresh.refreshId === refreshId)?.dataStatus;
  const words = refreshWords(entity, {
    usual,
    dataStatus: facts.kinds ?? (status === 'PENDING' ? undefined : known),
  });
  const payload = {
    status,
    entity_id: entity.entityId,
    refresh_id: refreshId,
    app_user_id: entity.appUserId,
    customer_id: entity.customerId,
    data_status: {
      accounts: words.accounts,
      identity: words.identity,
      account_data: entity.accounts.map((account) => ({
        account_id: account.accountId,
        balance: words.balance,
        identity: words.account_identity,
        transactions: words.transactions,
        beneficiaries: words.beneficiaries,
        direct_debits: words.direct_debits,
        standing_orders: words.standing_orders,
        scheduled_payments: words.scheduled_payments,
        transaction_availability: {
          start: account.transactions[0]?.localDay ?? null,
          end: entity.refreshedAt.slice(0, 10),
          complete_months: 11,
        },
      })),
    },
  };
  return webhookEvent({ ...facts, type: 'entity.data.refresh.updated', payload });
}

/** The word each region says when a refresh is over. */
export function terminalStatus(entity: SimulatedEntity): 'OK' | 'FINISHED' {
  return entity.region === 'ae' ? 'OK' : 'FINISHED';
}

export function resultsReady(envelope: Envelope & { resultsId: string }): WebhookEvent {
  return webhookEvent({ ...envelope, type: 'results.ready', payload: { id: envelope.resultsId } });
}

export interface PaymentFacts {
  paymentId: string;
  intentId: string;
  destinationId: string;
  /** Decimal text. */
  amount: string;
  status: string;
}

export function paymentCreated(entity: SimulatedEntity, facts: Envelope & PaymentFacts): WebhookEvent {
  const payload = {
    id: facts.paymentId,
    amount: numberLiteral(facts.amount),
    reason: 'testing',
    status: facts.status,
    currency: entity.region === 'ae' ? 'AED' : 'SAR',
    metadata: { data: 'meta_data_test' },
    intent_id: facts.intentId,
    customer_id: entity.customerId,
    payment_destination_id: facts.destinationId,
    bank_transaction_reference: `payment-${facts.paymentId}`,
  };
  return webhookEvent({ ...facts, type: 'payment.created', payload });
}

/** `data` false is a bank that cannot be used; `enabled` false one that was switched off for us. */
export function bankAvailability(
  facts: Envelope & { identifier: string; data: boolean; enabled?: boolean },
): WebhookEvent {
  const { identifier, data, enabled = true } = facts;
  const payload = {
    identifier,
    availability: { active: { payments: data, data }, enabled: { payments: enabled, data: enabled } },
  };
  return webhookEvent({ ...facts, type: 'bank.availability.updated', payload });
}

/** Of the newest consent. No whole example is documented: these are the members the pages name. */
export function consentStatusUpdated(
  entity: SimulatedEntity,
  facts: Envelope & { status: string; consentType?: string },
): WebhookEvent {
  const payload = {
    id: entity.consents[0]?.consentId ?? null,
    customer_id: entity.customerId,
    status: facts.status,
    consent_type: facts.consentType ?? 'ACCOUNT_ACCESS',
    account_id: null,
  };
  return webhookEvent({ ...facts, type: 'consent.status.updated', payload });
}

function entityPayload(entity: SimulatedEntity, { permissions }: { permissions?: readonly string[] }) {
  return {
    id: entity.entityId,
    customer_id: entity.customerId,
    app_user_id: entity.appUserId,
    permissions: permissions ?? entity.permissions,
    bank_details: bankDetailsOf(entity),
  };
}

function bankDetailsOf({ bank }: SimulatedEntity) {
  return {
    identifier: bank.identifier,
    name: bank.name,
    logo: bank.logo,
    main_color: bank.mainColor,
    background_color: bank.backgroundColor,
    swift_code: bank.swiftCode,
    account_type: bank.accountType,
    bank_type: bank.bankType,
  };
}
