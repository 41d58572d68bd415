import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/core/canonical-json.ts';
import { sliceItems } from '../../src/core/json-slices.ts';
import { isJsonObject, LosslessNumber, parseLossless, scanDepth } from '../../src/core/lossless-json.ts';
import { repeatsKey } from '../../src/core/repeated-keys.ts';

describe('parseLossless', () => {
  it('keeps the digits of every number as the source spells them', () => {
    const spellings = ['10.0', '0.2927877306', '123456789012345678.91', '1e3', '1.5E-7', '-0', '1e999999'];
    const parsed = parseLossless(`[${spellings.join(',')}]`);
    expect(parsed).toEqual(spellings.map((source) => new LosslessNumber(source)));
  });

  it('reads any JSON alike, whatever is in its strings', () => {
    const strings = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\uE000', '\uE0001', '__proto__', '-1', '"1"', '\\', '\\"', String.raw`\u`),
    );
    const json = fc.json({ stringUnit: 'binary' });
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        strings,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('value')),
      object: fc.dictionary(strings, tie('value')),
    }));
    const texts = fc.oneof(
      json,
      value.map((one) => JSON.stringify(one)),
      value.map((one) => JSON.stringify(one, null, 1)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseLossless(text)).toEqual(JSON.parse(text, byReviver));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '{1:2}',
    '[01]',
    '[1.]',
    '[-]',
    '[1 2]',
    '["a"1]',
    '[tru1e]',
    '[1e]',
    '[+1]',
    '-',
    '"',
    String.raw`"\"`,
    '{"a":1',
  ])('refuses %s', (text) => {
    expect(() => parseLossless(text)).toThrow(expect.objectContaining({ code: 'PAYLOAD_NOT_JSON' }));
  });

  it('drops __proto__ however it is spelled, and pollutes nothing', () => {
    const parsed = parseLossless(String.raw`{"a":{"__proto__":{"admin":true},"__proto\u005f_":1},"b":1}`);
    const inner = isJsonObject(parsed) ? parsed['a'] : null;
    expect(Reflect.ownKeys(Object(inner))).toEqual([]);
    expect(Object.getPrototypeOf(inner)).toBe(Object.prototype);
    expect({}).not.toHaveProperty('admin');
  });

  it('lets the last of two equal keys win', () => {
    expect(canonicalJson(parseLossless('{"a":1,"a":2}'))).toBe('{"a":2e0}');
  });

  it('never quotes the text in an error', () => {
    expect(() => parseLossless('{"name":"Mae Zulauf"')).toThrow(/^not JSON \(20 characters\)$/);
  });
});

function byReviver(key: string, value: unknown, context?: { source?: string }): unknown {
  if (key === '__proto__') return undefined;
  return typeof value === 'number' ? new LosslessNumber(context?.source ?? '') : value;
}

describe('scanDepth', () => {
  it('refuses what nests deeper than the limit, before parsing', () => {
    const deep = '['.repeat(65);
    expect(() => scanDepth(deep)).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_DEEP' }));
    expect(() => parseLossless('{"a":'.repeat(100_000))).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_TOO_DEEP' }),
    );
  });

  it('counts no brackets inside strings', () => {
    expect(scanDepth(String.raw`{"a":"[[[\"[[[\\","b":[]}`)).toBe(2);
  });

  it('allows exactly 64 levels', () => {
    expect(scanDepth('['.repeat(64) + ']'.repeat(64))).toBe(64);
  });
});

describe('repeatsKey', () => {
  it.each([
    '{"a":1,"a":2}',
    String.raw`{"a":1,"\u0061":2}`,
    '{"":1,"":2}',
    '{"a":{"b":[1,{"c":1,"d":[],"c":2}]}}',
    '[{"a":"}"},{"a":{},"b":"\\"","a":0}]',
    '{"__proto__":1,"__proto__":2}',
    ' { "a" : 1 , "a" : 1 } ',
  ])('finds one in %s', (text) => {
    expect(() => parseLossless(text)).not.toThrow();
    expect(repeatsKey(text)).toBe(true);
  });

  it.each([
    '{"a":"a","b":["a","a"],"c":{"a":1},"d":[{"a":1},{"a":2}]}',
    '["a","a",{"a":1}]',
    String.raw`{"a\"":1,"a":":\"a\":1,"}`,
    '{"a":1,"A":2,"a ":3}',
    '"a"',
  ])('finds none in %s', (text) => {
    expect(() => parseLossless(text)).not.toThrow();
    expect(repeatsKey(text)).toBe(false);
  });

  it('finds none in what a writer of JSON makes, and each that is put in', () => {
    const anyObject = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 });
    fc.assert(
      fc.property(anyObject, fc.nat(), (value, place) => {
        const text = JSON.stringify(value);
        expect(repeatsKey(text)).toBe(false);
        const keys = Object.keys(value);
        const again = JSON.stringify(keys[place % keys.length]);
        expect(repeatsKey(`${text.slice(0, -1)},${again}:0}`)).toBe(true);
      }),
    );
  });
});

describe('slices', () => {
  it('cuts each item out exactly as it is spelled', () => {
    const text = ' { "data" : { "list" : [ {"a": 10.0} , [1 ,2], "x\\"]" ,null ] , "page":{} } } ';
    expect(sliceItems(text, ['data', 'list'])).toEqual(['{"a": 10.0}', '[1 ,2]', '"x\\"]"', 'null']);
    expect(sliceItems(text, ['data', 'none'])).toEqual([]);
    expect(sliceItems(text, ['data', 'page'])).toEqual([]);
    expect(sliceItems('{"l":[]}', ['l'])).toEqual([]);
  });

  it('reads escaped keys and lets the last of two equal keys win, as the parser does', () => {
    expect(sliceItems(String.raw`{"a":[1],"\u0061":[2]}`, ['a'])).toEqual(['2']);
  });

  it('agrees with JSON.parse for any JSON', () => {
    const list = fc.array(fc.jsonValue({ maxDepth: 4 }));
    const indent = fc.constantFrom(undefined, 1, '\t');
    fc.assert(
      fc.property(list, fc.jsonValue(), indent, (items, other, space) => {
        const text = JSON.stringify({ before: other, list: items, after: other }, null, space);
        const parsed: unknown[] = sliceItems(text, ['list']).map((slice) => JSON.parse(slice));
        expect(JSON.stringify(parsed)).toBe(JSON.stringify(items));
      }),
    );
  });
});

describe('canonicalJson', () => {
  it('is equal for equal values, whatever the order of keys and the spelling of numbers', () => {
    const one = canonicalJson(parseLossless('{"b":[10.0,{"d":0.50}],"a":"x"}'));
    const other = canonicalJson(parseLossless('{ "a":"x", "b":[1e1,{"d":5E-1}] }'));
    expect(one).toBe(other);
  });

  it('differs for different values', () => {
    const texts = ['1', '"1"', '-1', '10', '0.1', '[1]', '{"a":1}', '{"a":null}', '{}', 'null', 'true', '0'];
    const hashes = new Set(texts.map((text) => canonicalJson(parseLossless(text))));
    expect(hashes.size).toBe(texts.length);
  });
});
