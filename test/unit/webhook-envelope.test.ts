import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../src/core/event-key.ts';
import { canonicalPayloadHash, readEnvelope } from '../../src/lean/webhook-envelope.ts';
import { webhookPayloadSchemas } from '../../src/lean/wire-webhook.ts';
import { leanWebhookFixtureNames, readLeanFixture } from '../fixtures/lean/index.ts';

function read(text: string) {
  return readEnvelope(Buffer.from(text));
}

function hashOf(text: string) {
  const envelope = read(text);
  return envelope.kind === 'readable' ? canonicalPayloadHash(envelope.type, envelope.payload) : null;
}

describe('readEnvelope', () => {
  it('reads every webhook Lean documents or was seen to send, whatever its type', () => {
    const bodies = leanWebhookFixtureNames.filter((name) => !name.startsWith('v0-'));
    const envelopes = bodies.map((name) => read(readLeanFixture(name).bodyText));
    expect(envelopes.filter(({ kind }) => kind === 'unreadable')).toEqual([]);
    const types = envelopes.map((envelope) => (envelope.kind === 'readable' ? envelope.type : null));
    expect(new Set(types).size).toBeGreaterThanOrEqual(11);
  });

  it('keeps what identifies the event: key, time to the nanosecond, entity and customer', () => {
    expect(read(readLeanFixture('v2-ksa-webhook-entity.created').bodyText)).toMatchObject({
      eventKey: '1e7974c5-4d91-4046-8c5f-35b26a5e4d20',
      type: 'entity.created',
      entityId: 'ed20559b-11f4-40dd-b912-629b7f37855b',
      customerId: '80f315e8-d429-48fe-a902-8b202bb32403',
      resultsId: null,
      timestamp: { text: '2026-05-12T14:34:40.391243281Z', ns: 1778596480391243281n },
    });
  });

  it('takes the entity from entity_id in a refresh', () => {
    const envelope = read(readLeanFixture('v2-uae-webhook-entity.data.refresh.updated').bodyText);
    expect(envelope).toMatchObject({ entityId: '42df962f-f81b-4e42-aabc-e3ee87978f29', resultsId: null });
  });

  it('never takes the id of results for an entity', () => {
    const envelope = read(readLeanFixture('v1-webhook-results.ready').bodyText);
    expect(envelope).toMatchObject({ entityId: null, resultsId: '9b8ab652-cc95-4fb2-9340-59b0164c8fb2' });
  });

  it('takes a customer id that is not a UUID', () => {
    const name = 'v2-ksa-webhook-entity.updated-after-expired-consent-partial';
    expect(read(readLeanFixture(name).bodyText)).toMatchObject({
      customerId: '6bc2336a-6d74-4e59-a492-65313423a8f',
    });
  });

  it('keys an event without an id by its bytes', () => {
    const { bodyText } = readLeanFixture('v1-webhook-entity.reconnected');
    expect(read(bodyText).eventKey).toBe(`sha256:${sha256Hex(bodyText)}`);
  });

  it('never invents a time', () => {
    const odd = read('{"type":"a","timestamp":"yesterday"}');
    expect(odd).toMatchObject({ timestamp: null, timestampText: 'yesterday' });
    expect(read('{"type":"a"}')).toMatchObject({ timestamp: null, timestampText: null });
  });

  it.each([
    ['', 'EVENT_NOT_JSON'],
    ['type=entity.created', 'EVENT_NOT_JSON'],
    ['{"type":"a"} {}', 'EVENT_NOT_JSON'],
    ['[{"type":"a"}]', 'EVENT_NOT_OBJECT'],
    ['"a"', 'EVENT_NOT_OBJECT'],
    ['12', 'EVENT_NOT_OBJECT'],
    ['null', 'EVENT_NOT_OBJECT'],
    ['{"type":7}', 'EVENT_WITHOUT_TYPE'],
    ['{"type":""}', 'EVENT_WITHOUT_TYPE'],
    [`{"type":"${'x'.repeat(201)}"}`, 'EVENT_WITHOUT_TYPE'],
    [`{"type":"a","payload":${'['.repeat(70)}${']'.repeat(70)}}`, 'EVENT_TOO_DEEP'],
    [readLeanFixture('v0-webhook-callback-failure').bodyText, 'EVENT_WITHOUT_TYPE'],
    [readLeanFixture('v0-webhook-callback-success-partial').bodyText, 'EVENT_WITHOUT_TYPE'],
  ])('keys %j by its bytes and calls it %s', (text, code) => {
    expect(read(text)).toEqual({ kind: 'unreadable', eventKey: `sha256:${sha256Hex(text)}`, code });
  });

  it('refuses bytes that are not UTF-8 and tolerates a byte order mark', () => {
    const broken = Buffer.from('7b2274797065223a22ff227d', 'hex');
    expect(readEnvelope(broken)).toMatchObject({ kind: 'unreadable', code: 'EVENT_NOT_JSON' });
    expect(read('\uFEFF{"type":"a"}')).toMatchObject({ kind: 'readable', type: 'a' });
  });

  it('warns of a key that is said twice, wherever, and takes the last', () => {
    const twice = read('{"type":"a","payload":{"customer_id":"first","customer_id":"last"}}');
    expect(twice).toMatchObject({ kind: 'readable', customerId: 'last', warnings: ['DUPLICATE_KEY'] });
    expect(read('{"type":"a","payload":{"type":"a"}}')).toMatchObject({ warnings: [] });
  });

  it.each(['2026-05-13T00:00:00Z'.padEnd(65), 'x'.repeat(1_000_000)])(
    'leaves a time of more than 64 characters to the body, and says so',
    (timestamp) => {
      expect(read(JSON.stringify({ type: 'a', timestamp, event_id: 'x'.repeat(1_001) }))).toMatchObject({
        kind: 'readable',
        timestamp: null,
        timestampText: null,
        eventId: null,
        warnings: ['TIMESTAMP_TOO_LONG'],
      });
    },
  );

  it('hands out no text a column could refuse', () => {
    const text = String.raw`{"type":"a\u0000","message":"\ud800","event_id":"\u0000","payload":{"entity_id":"x\u0000","customer_id":"${'y'.repeat(201)}"}}`;
    expect(read(text)).toMatchObject({
      type: 'a\uFFFD',
      message: '\uFFFD',
      eventId: '\uFFFD',
      entityId: null,
      customerId: null,
    });
  });

  it('has an answer and a key for any bytes and any JSON', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(readEnvelope(bytes).eventKey).not.toBe('');
        },
      ),
    );
    const envelope = fc.record(
      {
        type: fc.string({ unit: 'binary' }),
        event_id: fc.jsonValue(),
        message: fc.jsonValue(),
        timestamp: fc.jsonValue(),
        payload: fc.jsonValue(),
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(envelope, (value) => {
        const result = read(JSON.stringify(value));
        expect(result.kind === 'readable' && result.type.includes('\u0000')).toBe(false);
      }),
    );
  });
});

describe('canonicalPayloadHash', () => {
  it('is equal when only bytes, order of keys, timestamp or message differ', () => {
    const one = '{"type":"a","payload":{"x":10.0,"y":[1]},"message":"m","timestamp":"t"}';
    expect(hashOf('{ "payload": {"y":[1],"x":10}, "type": "a" }')).toBe(hashOf(one));
  });

  it('differs when the type or the payload differs', () => {
    const texts = [
      '{"type":"a","payload":{}}',
      '{"type":"b","payload":{}}',
      '{"type":"a","payload":{"x":1}}',
    ];
    expect(new Set(texts.map(hashOf)).size).toBe(3);
  });
});

describe('webhookPayloadSchemas', () => {
  it('read the payload of every documented event that is acted on', () => {
    const handled = leanWebhookFixtureNames.flatMap((name) => {
      const envelope = read(readLeanFixture(name).bodyText);
      if (envelope.kind !== 'readable' || !Object.hasOwn(webhookPayloadSchemas, envelope.type)) return [];
      const schema = Object.entries(webhookPayloadSchemas).find(([type]) => type === envelope.type)?.[1];
      return schema?.safeParse(envelope.payload).success === true
        ? [envelope.type]
        : [`${name} cannot be read`];
    });
    expect(new Set(handled)).toEqual(new Set(Object.keys(webhookPayloadSchemas)));
  });

  it('read the refresh status per account under both spellings of its availability', () => {
    const schema = webhookPayloadSchemas['entity.data.refresh.updated'];
    const account = { account_id: 'a', transactions: 'OK' };
    const webhook = { ...account, transaction_availability: { start: '2025-05-13', end: '2026-05-12' } };
    const api = { ...account, transactionAvailability: { start: '2025-05-13', end: '2026-05-12' } };
    const parsed = schema.parse({
      entity_id: 'e',
      status: 'OK',
      data_status: { account_data: [webhook, api] },
    });
    const [first, second] = parsed.data_status?.account_data ?? [];
    expect(first?.transaction_availability).toEqual({ start: '2025-05-13', end: '2026-05-12' });
    expect(second).toEqual(first);
  });
});
