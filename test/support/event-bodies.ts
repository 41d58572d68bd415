// Webhook bodies for tests of the worker: the shapes of Lean's own captures (leantechnologies/lean-postman@b883f28,
// 2026-05-13), with ids and times of the test's choosing.
import { randomUUID } from 'node:crypto';

interface BodyOptions {
  readonly eventId?: string | null;
  readonly timestamp?: string | null;
  readonly entityId?: string;
  readonly customerId?: string | null;
}

const defaultTimestamp = '2026-05-12T14:34:40.391243281Z';

export function webhookBody(options: {
  type: string;
  payload: Readonly<Record<string, unknown>>;
  eventId?: string | null;
  timestamp?: string | null;
}): Uint8Array {
  const { type, payload, eventId = randomUUID(), timestamp = defaultTimestamp } = options;
  return Buffer.from(
    JSON.stringify({
      type,
      payload,
      message: 'An entity object has been created.',
      ...(timestamp !== null && { timestamp }),
      ...(eventId !== null && { event_id: eventId }),
    }),
  );
}

export function entityBody(
  options: BodyOptions & {
    type?: string;
    permissions?: readonly string[] | undefined;
    bankName?: string;
    more?: Readonly<Record<string, unknown>>;
  },
): Uint8Array {
  const {
    type = 'entity.created',
    entityId = randomUUID(),
    customerId = randomUUID(),
    permissions,
  } = options;
  return webhookBody({
    ...options,
    type,
    payload: {
      id: entityId,
      customer_id: customerId,
      app_user_id: 'test_postman',
      permissions: permissions ?? ['transactions', 'balance', 'accounts'],
      bank_details: {
        identifier: 'LEA1_SAMAOB_SAU',
        name: options.bankName ?? 'Mockbank 1',
        swift_code: 'MOCKSA01',
      },
      ...options.more,
    },
  });
}

export function refreshBody(options: BodyOptions & { status?: string; accountId?: string }): Uint8Array {
  const { entityId = randomUUID(), customerId = randomUUID(), status = 'FINISHED' } = options;
  return webhookBody({
    timestamp: '2026-05-12T14:34:49.972240761Z',
    ...options,
    type: 'entity.data.refresh.updated',
    payload: {
      entity_id: entityId,
      refresh_id: randomUUID(),
      customer_id: customerId,
      status,
      data_status: {
        accounts: 'OK',
        identity: 'OK',
        account_data: [{ account_id: options.accountId ?? randomUUID(), balance: 'OK', transactions: 'OK' }],
      },
      app_user_id: 'test_postman',
    },
  });
}
