// The laws of sealing: what went in comes out for the same record, and nothing else ever does.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseKeyRing, readKeyRing } from '../../src/sealing/key-ring.ts';
import { open, rawRecord, seal, type SealedPurpose, type SealedRecord } from '../../src/sealing/seal.ts';

const newKey = () => randomBytes(32).toString('base64');
const oldKey = newKey();
const ring = parseKeyRing([oldKey]);

const plaintexts = fc.uint8Array({ maxLength: 2000 });
const purposes = fc.constantFrom<SealedPurpose>('delivery', 'event', 'raw');
const records = fc.record({ purpose: purposes, recordId: fc.string({ unit: 'grapheme', maxLength: 80 }) });
const record: SealedRecord = { purpose: 'delivery', recordId: '8c6f0f6e-6a3c-4a55-a7f6-0f4a2f6b6a11:7' };

describe('seal', () => {
  it('gives back the same bytes for the same record', () => {
    fc.assert(
      fc.property(plaintexts, records, (plaintext, of) => {
        expect(Buffer.compare(open(ring, of, seal(ring, of, plaintext)), plaintext)).toBe(0);
      }),
    );
  });

  it('gives back the same bytes without keys, and those also open with keys', () => {
    fc.assert(
      fc.property(plaintexts, records, (plaintext, of) => {
        const sealed = seal(null, of, plaintext);
        expect(sealed[0]).toBe(0);
        expect(Buffer.compare(open(null, of, sealed), plaintext)).toBe(0);
        expect(Buffer.compare(open(ring, of, sealed), plaintext)).toBe(0);
      }),
    );
  });

  it('never opens with any one bit flipped', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (plaintext) => {
        const sealed = seal(ring, record, plaintext);
        for (let bit = 0; bit < sealed.length * 8; bit += 1) {
          const flipped = Uint8Array.from(sealed, (byte, at) =>
            at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte,
          );
          expect(() => open(ring, record, flipped)).toThrow(expect.objectContaining({ name: 'AppError' }));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('never opens when cut short or made longer', () => {
    const sealed = seal(ring, record, Buffer.from('{"type":"entity.created"}'));
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => open(ring, record, sealed.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'PAYLOAD_UNREADABLE' }),
      );
    }
    expect(() => open(ring, record, Buffer.concat([sealed, Buffer.of(0)]))).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_UNREADABLE' }),
    );
  });

  it('never opens for another purpose or another record', () => {
    fc.assert(
      fc.property(plaintexts, records, records, (plaintext, of, other) => {
        fc.pre(of.purpose !== other.purpose || of.recordId !== other.recordId);
        expect(() => open(ring, other, seal(ring, of, plaintext))).toThrow(
          expect.objectContaining({ code: 'PAYLOAD_UNREADABLE' }),
        );
      }),
    );
  });

  it('seals with the new first key after a rotation and still opens what the old key sealed', () => {
    const before = seal(ring, record, Buffer.from('old'));
    const rotated = parseKeyRing([newKey(), oldKey]);
    expect(Buffer.from(open(rotated, record, before)).toString()).toBe('old');

    const after = seal(rotated, record, Buffer.from('new'));
    expect(Buffer.from(open(rotated, record, after)).toString()).toBe('new');
    expect(() => open(ring, record, after)).toThrow(expect.objectContaining({ code: 'PAYLOAD_KEY_MISSING' }));
  });

  it('says PAYLOAD_KEY_MISSING when a sealed payload is opened without any keys', () => {
    const sealed = seal(ring, record, Buffer.from('x'));
    expect(() => open(null, record, sealed)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_KEY_MISSING' }),
    );
  });

  it('never shows the plaintext in what it seals, and never seals twice to the same bytes', () => {
    const plaintext = Buffer.from('AE070331234567890123456');
    const [one, two] = [seal(ring, record, plaintext), seal(ring, record, plaintext)];
    expect(Buffer.from(one).includes(plaintext)).toBe(false);
    expect(Buffer.compare(one, two)).not.toBe(0);
  });
});

describe('rawRecord', () => {
  it('is another record for every other primary key of a table, whatever is in its parts', () => {
    const parts = fc.array(fc.string({ unit: fc.constantFrom(':', '%', 'a', '3', 'A') }), {
      minLength: 3,
      maxLength: 3,
    });
    fc.assert(
      fc.property(parts, parts, (one, two) => {
        fc.pre(one.join('\n') !== two.join('\n'));
        expect(rawRecord('transactions', one)).not.toEqual(rawRecord('transactions', two));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is the table and the key joined by colons where no part but the last has one', () => {
    expect(rawRecord('balances', ['e', 'a', '2026-05-01T00:00:00.000Z'])).toEqual({
      purpose: 'raw',
      recordId: 'balances:e:a:2026-05-01T00:00:00.000Z',
    });
  });
});

describe('readKeyRing', () => {
  it('opens what was sealed and seals nothing when sealing is off', () => {
    const off = readKeyRing({ keysBase64: [newKey(), oldKey], sealing: 'off' });
    expect(Buffer.from(open(off, record, seal(ring, record, Buffer.from('x')))).toString()).toBe('x');
    expect(seal(off, record, Buffer.from('x'))[0]).toBe(0);
  });

  it('is none without keys, and refuses a wrong key also when sealing is off', () => {
    expect(readKeyRing({ keysBase64: undefined, sealing: 'on' })).toBeNull();
    expect(failureOf(() => readKeyRing({ keysBase64: ['short'], sealing: 'off' }))).toMatchObject({
      code: 'PAYLOAD_KEY_INVALID',
    });
  });
});

describe('parseKeyRing', () => {
  it('takes the first key for sealing and every key for opening', () => {
    const ring2 = parseKeyRing([newKey(), newKey(), oldKey]);
    expect(ring2.keys.size).toBe(3);
    expect(ring2.sealingKeyId).toMatch(/^[0-9a-f]{16}$/);
    expect([...ring2.keys.keys()][0]).toBe(ring2.sealingKeyId);
  });

  it.each([
    ['no key at all', [], 'no key was given'],
    ['16 bytes', [randomBytes(16).toString('base64')], 'key 1'],
    ['33 bytes', [oldKey, randomBytes(33).toString('base64')], 'key 2'],
    ['hex instead of base64', [randomBytes(32).toString('hex')], 'key 1'],
    [
      'a stray character that a lenient reader would skip',
      [`${oldKey.slice(0, 20)}*${oldKey.slice(20)}`],
      'key 1',
    ],
    ['a key without its padding', [oldKey.replace('=', '')], 'key 1'],
    ['the same key twice', [oldKey, oldKey], 'key 2 was given before'],
  ])('refuses %s with PAYLOAD_KEY_INVALID and never prints the key', (_, keys, said) => {
    const error = failureOf(() => parseKeyRing(keys));
    expect(error).toMatchObject({ code: 'PAYLOAD_KEY_INVALID', message: expect.stringContaining(said) });
    for (const key of keys) expect(String(error)).not.toContain(key.slice(0, 12));
  });
});

function failureOf(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}
