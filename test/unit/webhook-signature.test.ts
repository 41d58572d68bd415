import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyWebhookSignature } from '../../src/lean/webhook-signature.ts';

function sign(rawBody: Uint8Array, secret: string): string {
  return `sha512=${createHmac('sha512', secret).update(rawBody).digest('hex')}`;
}

function judge(body: Uint8Array, given: string) {
  return verifyWebhookSignature({ rawBody: body, signatureHeaders: [given], secrets: ['secret'] });
}

const rawBody = Buffer.from('{"type":"entity.created"}');
const header = sign(rawBody, 'current');

describe('verifyWebhookSignature', () => {
  it('agrees with the published vector (RFC 4231, case 2)', () => {
    const known =
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554' +
      '9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737';
    const verdict = verifyWebhookSignature({
      rawBody: Buffer.from('what do ya want for nothing?'),
      signatureHeaders: [`sha512=${known}`],
      secrets: ['Jefe'],
    });
    expect(verdict).toBe('valid');
  });

  it('accepts any active secret, in any order', () => {
    for (const secrets of [['current'], ['next', 'current'], ['current', 'former']]) {
      expect(verifyWebhookSignature({ rawBody, signatureHeaders: [header], secrets })).toBe('valid');
    }
  });

  it('never verifies after one flipped bit, in the body or in the signature', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.nat(),
        (bytes, bodyBit, hexDigit) => {
          const signature = sign(bytes, 'secret');
          const flippedBody = Uint8Array.from(bytes);
          const at = bodyBit % (bytes.length * 8);
          flippedBody[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
          const position = 7 + (hexDigit % 128);
          const digit = Number.parseInt(signature.charAt(position), 16) ^ (1 << (hexDigit & 3));
          const flippedSignature =
            signature.slice(0, position) + digit.toString(16) + signature.slice(position + 1);
          expect(judge(bytes, signature)).toBe('valid');
          expect(judge(flippedBody, signature)).toBe('invalid');
          expect(judge(bytes, flippedSignature)).toBe('invalid');
        },
      ),
    );
  });

  it('says missing only when there is no header at all', () => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [], secrets: ['current'] })).toBe('missing');
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [''], secrets: ['current'] })).toBe('invalid');
  });

  it.each([
    ['two headers, even equal ones', [header, header]],
    ['upper case', [header.toUpperCase()]],
    ['another algorithm', [header.replace('sha512', 'sha256')]],
    ['no algorithm', [header.slice(7)]],
    ['a longer one', [`${header}00`]],
    ['blanks around it', [` ${header}`]],
    ['two joined by a comma', [`${header}, ${header}`]],
  ])('refuses %s', (_what, signatureHeaders) => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders, secrets: ['current'] })).toBe('invalid');
  });

  it('accepts nothing without a secret, and nothing signed with an empty one', () => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [header], secrets: [] })).toBe('invalid');
    const emptySigned = [sign(rawBody, '')];
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: emptySigned, secrets: [''] })).toBe('invalid');
  });
});
