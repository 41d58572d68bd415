// Bodies that Lean's signature makes authentic and that are odd in every way JSON, UTF-8 and the envelope allow, each
// with what must become of it. No two are equal in bytes.
import { gzipSync } from 'node:zlib';

export interface OddBody {
  readonly name: string;
  readonly body: Uint8Array;
  readonly state: 'processed' | 'ignored' | 'quarantined';
  readonly code: string | null;
  readonly warnings?: readonly string[];
}

/** A type that nobody handles. */
const type = 'odd.body';
/** Of today: what is older than its key is kept is set aside, however it is spelled. */
const now = new Date().toISOString();
const bytes = (hex: string) => Buffer.from(hex, 'hex');

function quarantined(code: string, bodies: Readonly<Record<string, Uint8Array | string>>): OddBody[] {
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    body: Buffer.from(body),
    state: 'quarantined',
    code,
  }));
}

function kept(state: 'processed' | 'ignored', bodies: Readonly<Record<string, Uint8Array | string>>) {
  return Object.entries(bodies).map(([name, body]): OddBody => ({
    name,
    body: Buffer.from(body),
    state,
    code: null,
  }));
}

function warned(warning: string, bodies: Readonly<Record<string, string>>): OddBody[] {
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    body: Buffer.from(body),
    state: 'ignored',
    code: null,
    warnings: [warning],
  }));
}

const whole = JSON.stringify({ type, event_id: 'odd-whole', payload: { name: 'é' } });
const deep = 100_000;

const notJson = quarantined('EVENT_NOT_JSON', {
  nothing: '',
  'one blank': ' ',
  'a form': 'type=odd.body&event_id=1',
  'a page': '<!doctype html><title>502</title>',
  'a byte order mark alone': bytes('efbbbf'),
  'NUL bytes': Buffer.alloc(16),
  'JSON and a NUL behind it': `${whole}\u0000`,
  'two documents': `${whole}${whole}`,
  'half a document': whole.slice(0, -3),
  'a byte that is no UTF-8': Buffer.concat([Buffer.from('{"type":"odd.'), bytes('ff'), Buffer.from('"}')]),
  'NUL as overlong UTF-8': Buffer.concat([Buffer.from('{"type":"odd.'), bytes('c080'), Buffer.from('"}')]),
  'a surrogate as UTF-8': Buffer.concat([Buffer.from('{"type":"odd.'), bytes('eda080'), Buffer.from('"}')]),
  'UTF-16, low byte first': Buffer.concat([bytes('fffe'), Buffer.from(whole, 'utf16le')]),
  'UTF-16, high byte first': Buffer.concat([bytes('feff'), Buffer.from(whole, 'utf16le').swap16()]),
  'gzip of a good body': gzipSync(whole),
  'a line end inside a text': '{"type":"odd.\r\nbody"}',
  'NaN and Infinity': '{"type":"odd.body","payload":[NaN,-Infinity]}',
  'single quotes': "{'type':'odd.body'}",
  'a comma too many': '{"type":"odd.body",}',
  'numbers no JSON has': '{"type":"odd.body","payload":[01,.5,+1,0x10]}',
});

const tooDeep = quarantined('EVENT_TOO_DEEP', {
  'lists, 100,000 deep': '['.repeat(deep) + ']'.repeat(deep),
  'lists, 100,000 deep and never closed': '['.repeat(deep),
  'objects, 100,000 deep': `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`,
  'lists and objects, 100,000 deep': `{"type":"odd.body","payload":${'[{"a":'.repeat(deep)}1${'}]'.repeat(deep)}}`,
  'one level too many': `{"type":"odd.body","payload":${'['.repeat(64)}${']'.repeat(64)}}`,
});

const noObject = quarantined('EVENT_NOT_OBJECT', {
  'a text': '"odd.body"',
  'a number': '12',
  'a number beyond any double': '1e999',
  'minus nought': '-0',
  true: 'true',
  null: 'null',
  'an empty list': '[]',
  'a list of events': `[${whole}]`,
});

const noType = quarantined('EVENT_WITHOUT_TYPE', {
  'an empty object': '{}',
  'an id and nothing else': '{"event_id":"odd-typeless"}',
  'a type that is null': '{"type":null}',
  'a type that is a number': '{"type":1}',
  'a type that is a list': '{"type":["odd.body"]}',
  'a type that is an object': '{"type":{"toString":"odd.body"}}',
  'an empty type': '{"type":""}',
  'a type of 10,000 characters': JSON.stringify({ type: 'x'.repeat(10_000) }),
  'a type only in the prototype': '{"__proto__":{"type":"entity.created"}}',
});

const event = (fields: Readonly<Record<string, unknown>>) => JSON.stringify({ type, ...fields });

const oddValues = { null: 'null', true: 'true', 'a number': '7', 'a list': '["a"]', 'an object': '{"a":1}' };

/** Every envelope field with a value of every other kind. */
const oddFields = Object.fromEntries(
  ['event_id', 'timestamp', 'message', 'payload'].flatMap((field) =>
    Object.entries(oddValues).map(([name, value]) => [
      `${field}: ${name}`,
      `{"type":"odd.field","${field}":${value}}`,
    ]),
  ),
);

/** Made of characters that end lines, move cursors, turn text around, or mean something to whoever stores a key. */
const oddTexts = {
  blank: '   ',
  'line ends': 'a\r\n{"level":60}\r\nb',
  NUL: 'a\u0000b',
  'a colour': '\u001b[31mred\u001b[0m',
  'text turned around': 'a\u202eb\u2066c',
  'zero width': 'a\u200bb\ufeffc',
  'C1 controls': 'a\u0085b\u009bc',
  'line separators': 'a\u2028b\u2029c',
  '10,000 characters': 'i'.repeat(10_000),
  'one character too many': 'k'.repeat(201),
  colons: 'a:b:c',
  digits: '12345',
  quotes: `a'"\\;--`,
  'the prototype': '__proto__',
  'a path': '../../etc/passwd',
  'no ASCII': 'حساب',
};

const oddIds = Object.fromEntries(
  Object.entries(oddTexts).flatMap(([name, text]) => [
    [`event_id: ${name}`, event({ event_id: text })],
    [`customer and entity: ${name}`, event({ payload: { entity_id: text, customer_id: text, id: text } })],
  ]),
);

const oddTimes = Object.fromEntries(
  [
    '0000-00-00T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '1677-12-31T23:59:59.999999999Z',
    '2262-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '+275760-09-13T00:00:00Z',
    '2026-02-30T00:00:00Z',
    `${now.slice(0, 10)}T24:00:00Z`,
    '2026-06-30T23:59:60Z',
    '2026-05-12T14:34:40',
    '2026-05-12T14:34:40+99:99',
    '2026-05-12T14:34:40.1234567891Z',
    '1778596480391',
    'yesterday',
    '2026-05-12T14:34:40Z\u0000',
  ].map((timestamp) => [`timestamp: ${timestamp.slice(0, 32)}`, event({ timestamp })]),
);

const mebibyte = 1_048_576;
/** As long as a body may be, to the byte. */
function filled(head: string, filling: string, tail: string): string {
  const room = mebibyte - Buffer.byteLength(head + tail);
  const unit = Buffer.byteLength(filling);
  return head + filling.repeat(Math.floor(room / unit)) + ' '.repeat(room % unit) + tail;
}

const ignored = kept('ignored', {
  ...oddFields,
  ...oddIds,
  ...oddTimes,
  'a byte order mark before it': `\uFEFF${whole.replace('odd-whole', 'odd-marked')}`,
  'blanks around it': ` \t\r\n${whole.replace('odd-whole', 'odd-blanks')}\n\n`,
  'text in Unicode': event({ payload: { name: 'محمد 😀 e\u0301' } }),
  __proto__: '{"type":"odd.body","payload":{"__proto__":{"admin":true}}}',
  '__proto__, escaped': String.raw`{"type":"odd.body","payload":{"__proto\u005f_":{"admin":true}}}`,
  'constructor.prototype': '{"type":"odd.body","payload":{"constructor":{"prototype":{"admin":true}}}}',
  'names every object has':
    '{"type":"odd.body","payload":{"toString":1,"valueOf":2,"toJSON":3,"then":4,"hasOwnProperty":5}}',
  'lone surrogates': String.raw`{"type":"odd.\ud800body","message":"\udc00","payload":{"\ud800":"\udfff"}}`,
  'a number beyond any double': '{"type":"odd.body","payload":{"n":1e999}}',
  'a number of 400 digits': `{"type":"odd.body","payload":{"n":-${'9'.repeat(400)}.${'1'.repeat(400)}}}`,
  'minus nought': '{"type":"odd.body","payload":{"n":-0}}',
  'an exponent of 400 digits': `{"type":"odd.body","payload":{"n":1e${'9'.repeat(400)}}}`,
  'as deep as allowed': `{"type":"odd.body","payload":${'['.repeat(63)}${']'.repeat(63)}}`,
  'no payload': '{"type":"odd.body"}',
  'a mebibyte of one text': filled('{"type":"odd.body","payload":"', 'x', '"}'),
  'a mebibyte of escapes': filled('{"type":"odd.body","payload":"', String.raw`\u0000`, '"}'),
  'a mebibyte of one number': filled('{"type":"odd.body","payload":1', '0', '1}'),
  'a mebibyte of numbers': filled('{"type":"odd.body","payload":[1', ',-1.5e9', ']}'),
  'a mebibyte of empty lists': filled('{"type":"odd.body","payload":[[]', ',[]', ']}'),
});

const repeated = warned('DUPLICATE_KEY', {
  'a type said twice': '{"type":"entity.created","type":"odd.body"}',
  'a type said twice, once with escapes': String.raw`{"\u0074ype":"entity.created","type":"odd.body"}`,
  'a payload said twice': '{"type":"odd.body","payload":{"id":"a"},"payload":{"entity_id":"odd-last"}}',
  'a key said twice far inside': '{"type":"odd.body","payload":[{"a":{"b":1,"c":2,"b":3}}]}',
  '__proto__ said twice': '{"type":"odd.body","payload":{"__proto__":1,"__proto__":2}}',
});

const endlessTime = warned('TIMESTAMP_TOO_LONG', {
  'timestamp: 10,000 digits': event({ timestamp: '2'.repeat(10_000) }),
});

const created = (payload: unknown) => JSON.stringify({ type: 'entity.created', payload });

const handledUnreadable = quarantined('EVENT_PAYLOAD_INVALID', {
  'entity.created without a payload': '{"type":"entity.created"}',
  'entity.created with a list': created([]),
  'entity.created with a text': created('entity'),
  'entity.created with no id': created({ customer_id: 'odd' }),
  'entity.created with an object for an id': created({ id: { id: 'odd' } }),
  'entity.created with an id of 10,000 characters': created({ id: 'e'.repeat(10_000) }),
  'entity.created with NUL in its id': created({ id: 'odd\u0000' }),
  'entity.created with a lone surrogate in its id': String.raw`{"type":"entity.created","payload":{"id":"\ud800"}}`,
  'refresh with a list': '{"type":"entity.data.refresh.updated","payload":[1]}',
  'results.ready with an empty id': '{"type":"results.ready","payload":{"id":""}}',
});

const timed = (payload: unknown) => JSON.stringify({ type: 'entity.created', timestamp: now, payload });

const handled = kept('processed', {
  'entity.created with everything but its id odd': timed({
    id: 'odd-entity-1',
    customer_id: [],
    app_user_id: { a: 1 },
    permissions: { accounts: 'perhaps', 7: [] },
    bank_details: 'bank',
  }),
  'entity.created with permissions of every kind': timed({
    id: 'odd-entity-2',
    permissions: [null, 1, {}, [], 'accounts', 'accounts', '\u202e', '', 'x'.repeat(10_000)],
    bank_details: { identifier: 'a\u0000b', name: '\u001b[2J' },
  }),
  'entity.created with a number for its id': `{"type":"entity.created","timestamp":"${now}","payload":{"id":1e999}}`,
  'entity.created with an id no URL takes': timed({ id: 'a/../b?c=d#e', customer_id: 'odd' }),
  'refresh whose facts are all odd': JSON.stringify({
    type: 'entity.data.refresh.updated',
    timestamp: now,
    payload: { entity_id: 'odd-entity-3', status: 'NEWS', data_status: [[]], customer_id: 9 },
  }),
});

export const oddBodies: readonly OddBody[] = [
  ...notJson,
  ...tooDeep,
  ...noObject,
  ...noType,
  ...ignored,
  ...repeated,
  ...endlessTime,
  ...handledUnreadable,
  ...handled,
];
