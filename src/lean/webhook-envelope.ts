// Reads a webhook's raw bytes into its envelope. Total: every sequence of bytes gives an answer and a key, and
// nothing in the answer can break a Postgres column.
import { AppError } from '../core/app-error.ts';
import { canonicalJson } from '../core/canonical-json.ts';
import { storableText } from '../core/clean-text.ts';
import { eventKey, sha256Hex } from '../core/event-key.ts';
import type { FailureCode } from '../core/failure-codes.ts';
import type { Instant } from '../core/instant.ts';
import { readInstant } from '../core/local-date.ts';
import { isJsonObject, parseLossless } from '../core/lossless-json.ts';
import { repeatsKey } from '../core/repeated-keys.ts';
import { wireOptionalId } from './wire-values.ts';
import { wireEnvelopeSchema } from './wire-webhook.ts';

/**
 * What is odd about a body that is read all the same. DUPLICATE_KEY: of a repeated key the last value counts.
 * TIMESTAMP_TOO_LONG: no time is read from it, and its text is in the body alone.
 */
export const envelopeWarnings = ['DUPLICATE_KEY', 'TIMESTAMP_TOO_LONG'] as const;
export type EnvelopeWarning = (typeof envelopeWarnings)[number];

/** Lean's have 20 to 30 characters. */
const timestampLengthLimit = 64;
const idTextLimit = 1_000;

export interface ReadableEnvelope {
  readonly kind: 'readable';
  readonly eventKey: string;
  /** As Lean wrote it, also where no key can be made of it; null beyond 1,000 characters. */
  readonly eventId: string | null;
  readonly type: string;
  /** As parseLossless gives it; null where absent. For the schemas of wire-webhook.ts. */
  readonly payload: unknown;
  readonly timestamp: Instant | null;
  readonly timestampText: string | null;
  readonly message: string | null;
  readonly entityId: string | null;
  readonly customerId: string | null;
  /** Only of `results.ready`. */
  readonly resultsId: string | null;
  readonly warnings: readonly EnvelopeWarning[];
}

export interface UnreadableEnvelope {
  readonly kind: 'unreadable';
  readonly eventKey: string;
  readonly code: FailureCode & `EVENT_${string}`;
}

export type Envelope = ReadableEnvelope | UnreadableEnvelope;

/** Shape of docs.leantech.me/docs/webhook-structure; `event_id`, `timestamp` and `message` may be missing. */
export function readEnvelope(rawBody: Uint8Array): Envelope {
  const parsed = parseBody(rawBody);
  if (parsed.code !== null)
    return { kind: 'unreadable', eventKey: eventKey(null, rawBody), code: parsed.code };
  const { body, warnings } = parsed;
  const eventId = typeof body['event_id'] === 'string' ? body['event_id'] : null;
  const key = eventKey(eventId, rawBody);
  const envelope = wireEnvelopeSchema.safeParse(body);
  if (!envelope.success) return { kind: 'unreadable', eventKey: key, code: 'EVENT_WITHOUT_TYPE' };
  const { type, message, timestamp, payload } = envelope.data;
  const timestampText = timestamp !== null && timestamp.length > timestampLengthLimit ? null : timestamp;
  return {
    kind: 'readable',
    eventKey: key,
    eventId: eventId !== null && eventId.length > idTextLimit ? null : storable(eventId),
    type: storableText(type),
    payload: payload ?? null,
    timestamp: readInstant(timestampText),
    timestampText: storable(timestampText),
    message: storable(message),
    ...readIds(type, isJsonObject(payload) ? payload : {}),
    warnings: timestampText === timestamp ? warnings : [...warnings, 'TIMESTAMP_TOO_LONG'],
  };
}

/**
 * Two bodies of one event id are the same event when this is equal: hex SHA-256 of the type and the payload's
 * canonical JSON. Bytes, order of keys, spelling of numbers, `timestamp` and `message` do not count.
 */
export function canonicalPayloadHash(type: string, payload: unknown): string {
  return sha256Hex(canonicalJson([type, payload]));
}

type ParsedBody =
  | {
      readonly code: null;
      readonly body: Record<string, unknown>;
      readonly warnings: readonly EnvelopeWarning[];
    }
  | { readonly code: UnreadableEnvelope['code'] };

function parseBody(rawBody: Uint8Array): ParsedBody {
  const text = decodeUtf8(rawBody);
  if (text === null) return { code: 'EVENT_NOT_JSON' };
  try {
    const body = parseLossless(text);
    if (!isJsonObject(body)) return { code: 'EVENT_NOT_OBJECT' };
    return { code: null, body, warnings: repeatsKey(text) ? ['DUPLICATE_KEY'] : [] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code === 'PAYLOAD_TOO_DEEP' ? 'EVENT_TOO_DEEP' : 'EVENT_NOT_JSON' };
  }
}

/** Strict, so that no two bodies are read as the same text; a byte order mark is dropped. */
function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Which id is which depends on the event: `payload.id` is an entity in `entity.*` and results in `results.ready`. */
function readIds(type: string, payload: Record<string, unknown>) {
  const id = wireOptionalId.parse(payload['id']);
  const named = wireOptionalId.parse(payload['entity_id']);
  const isAboutEntity = type.startsWith('entity.') && !type.startsWith('entity.data.');
  return {
    entityId: isAboutEntity ? (id ?? named) : named,
    customerId: wireOptionalId.parse(payload['customer_id']),
    resultsId: type === 'results.ready' ? id : null,
  };
}

function storable(text: string | null): string | null {
  return text === null ? null : storableText(text);
}
