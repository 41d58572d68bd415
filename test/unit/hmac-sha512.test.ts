// The HMAC that deliveries are judged by is the one that crypto itself makes, whatever the lengths of key and message.
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHmacSha512 } from '../../src/lean/hmac-sha512.ts';

function known(key: string, message: Uint8Array): string {
  return createHmac('sha512', key).update(message).digest('hex');
}

describe('createHmacSha512', () => {
  it.each([1, 127, 128, 129, 1_000])('agrees with crypto under a key of %i bytes', (length) => {
    const key = 'k'.repeat(length);
    const message = Buffer.from('what do ya want for nothing?');
    expect(createHmacSha512(key)(message)).toBe(known(key, message));
  });

  it.each([0, 1, 111, 112, 127, 128, 32_767, 32_768, 32_769, 1_048_576])(
    'agrees with crypto on a message of %i bytes',
    (length) => {
      const message = Buffer.alloc(length, 'm');
      expect(createHmacSha512('key')(message)).toBe(known('key', message));
    },
  );

  it('takes nothing from one message over to the next, whatever the order of their lengths', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), messages, (key, all) => {
        const hmac = createHmacSha512(key);
        expect(all.map((message) => hmac(message))).toEqual(all.map((message) => known(key, message)));
      }),
    );
  });
});
