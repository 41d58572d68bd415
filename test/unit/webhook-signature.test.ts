// Who may say that a delivery is Lean's: whoever signed these very bytes with a secret in force, in one header, in one form.
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyWebhookSignature } from '../../src/lean/webhook-signature.ts';
import { judgeSignature } from '../../src/receiver/verify-delivery.ts';

function sign(rawBody: Uint8Array, secret: string): string {
  return `sha512=${createHmac('sha512', secret).update(rawBody).digest('hex')}`;
}

function judge(body: Uint8Array, given: string) {
  return verifyWebhookSignature({ rawBody: body, signatureHeaders: [given], secrets: ['secret'] });
}

const rawBody = Buffer.from('{"type":"entity.created"}');
const header = sign(rawBody, 'current');

/** What is signed with the former secret, and what with the current one. */
const judgeUnder = (secrets: readonly string[]) =>
  ['former', 'current'].map((secret) =>
    verifyWebhookSignature({ rawBody, signatureHeaders: [sign(rawBody, secret)], secrets }),
  );

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

  it('takes the former secret while both are active, and no longer once it is removed', () => {
    expect(judgeUnder(['former'])).toEqual(['valid', 'invalid']);
    expect(judgeUnder(['current', 'former'])).toEqual(['valid', 'valid']);
    expect(judgeUnder(['current'])).toEqual(['invalid', 'valid']);
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

  it('never verifies the same bytes cut off, continued or none', () => {
    const one = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(one, one, (bytes, more) => {
        const signature = sign(bytes, 'secret');
        expect(judge(bytes.subarray(0, -1), signature)).toBe('invalid');
        expect(judge(Buffer.concat([bytes, more]), signature)).toBe('invalid');
        expect(judge(new Uint8Array(), signature)).toBe('invalid');
      }),
    );
  });

  it('takes the bytes as they came, though they are no text', () => {
    const bytes = Buffer.of(0xff, 0xfe, 0, 0x80);
    expect(judge(bytes, sign(bytes, 'secret'))).toBe('valid');
    expect(judge(Buffer.from(bytes.toString('utf8')), sign(bytes, 'secret'))).toBe('invalid');
  });

  it('says missing only when there is no header at all', () => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [], secrets: ['current'] })).toBe('missing');
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [''], secrets: ['current'] })).toBe('invalid');
  });

  const digest = header.slice('sha512='.length);
  const shorter = (algorithm: string) =>
    `${algorithm}=${createHmac(algorithm, 'current').update(rawBody).digest('hex')}`;
  const base64 = Buffer.from(digest, 'hex').toString('base64');
  it.each<[string, string[]]>([
    ['two headers, the good one first', [header, sign(rawBody, 'other')]],
    ['two headers, the good one last', [sign(rawBody, 'other'), header]],
    ['two headers, though they are equal', [header, header]],
    ['two headers, though one is empty', [header, '']],
    ['two joined by a comma', [`${header}, ${header}`]],
    ['upper case everywhere', [header.toUpperCase()]],
    ['the algorithm in upper case', [`SHA512=${digest}`]],
    ['the hex digits in upper case', [`sha512=${digest.toUpperCase()}`]],
    ['another algorithm: sha256', [shorter('sha256')]],
    ['another algorithm: sha1', [shorter('sha1')]],
    ['another algorithm of the same length', [shorter('sha3-512')]],
    ['another algorithm that calls itself sha512', [shorter('sha3-512').replace('sha3-512', 'sha512')]],
    ['another name of the algorithm', [`sha-512=${digest}`]],
    ['the name of another algorithm', [header.replace('sha512', 'sha256')]],
    ['no algorithm', [digest]],
    ['no digest', ['sha512=']],
    ['no equals sign', [header.replace('=', ':')]],
    ['a digest that is a byte too short', [header.slice(0, -2)]],
    ['a digest that is a digit too short', [header.slice(0, -1)]],
    ['a digest that is a byte too long', [`${header}00`]],
    ['a digit that is none', [`${header.slice(0, -1)}g`]],
    ['base64 instead of hex', [`sha512=${base64}`]],
    ['a blank in front', [` ${header}`]],
    ['a blank behind', [`${header} `]],
    ['a line break behind', [`${header}\n`]],
    ['a NUL behind', [`${header}\0`]],
    ['a timestamp in front, as others sign', [`t=1,${header}`]],
    ['full-width digits', [header.replace(/\d/g, '\u{ff11}')]],
  ])('refuses %s', (_what, signatureHeaders) => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders, secrets: ['current'] })).toBe('invalid');
  });

  it('accepts nothing without a secret, and nothing signed with an empty one', () => {
    expect(verifyWebhookSignature({ rawBody, signatureHeaders: [header], secrets: [] })).toBe('invalid');
    const emptySigned = [sign(rawBody, '')];
    for (const secrets of [[''], ['', 'current'], ['current', '']]) {
      expect(verifyWebhookSignature({ rawBody, signatureHeaders: emptySigned, secrets })).toBe('invalid');
    }
  });

  it('no header, whatever is in it, verifies but the signature', () => {
    const value = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.stringMatching(/^sha512=[0-9a-f]{128}$/),
      fc.stringMatching(/^sha(1|256|512)=[0-9a-fA-F]{0,140}$/),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), (signatureHeaders) => {
        fc.pre(!signatureHeaders.includes(header));
        const verdict = verifyWebhookSignature({ rawBody, signatureHeaders, secrets: ['current'] });
        expect(verdict).toBe(signatureHeaders.length === 0 ? 'missing' : 'invalid');
      }),
    );
  });
});

describe('of the lines of a request', () => {
  const judgeLines = (...rawHeaders: readonly string[]) =>
    judgeSignature({ rawBody, rawHeaders, secrets: ['current'] });

  it.each<[string, string[]]>([
    ['in small letters', ['lean-signature', header]],
    ['in capitals', ['LEAN-SIGNATURE', header]],
    ['among others', ['Host', 'a', 'Lean-Signature', header, 'Content-Type', 'application/json']],
  ])('the signature is taken by the name of its header, %s', (_how, rawHeaders) => {
    expect(judgeLines(...rawHeaders)).toBeNull();
  });

  it.each<[string, string[], string]>([
    ['no line at all', [], 'SIGNATURE_MISSING'],
    ['the value under another name', ['x-signature', header], 'SIGNATURE_MISSING'],
    ['the value under a name with an underscore', ['lean_signature', header], 'SIGNATURE_MISSING'],
    ['the value under a longer name', ['lean-signature-2', header], 'SIGNATURE_MISSING'],
    ['the name as a value', ['x', 'lean-signature', header, 'x'], 'SIGNATURE_MISSING'],
    ['an empty line', ['lean-signature', ''], 'SIGNATURE_INVALID'],
    ['a wrong one', ['lean-signature', sign(rawBody, 'other')], 'SIGNATURE_INVALID'],
    [
      'a second line behind',
      ['lean-signature', header, 'lean-signature', sign(rawBody, 'x')],
      'SIGNATURE_INVALID',
    ],
    ['a second line in front', ['Lean-Signature', 'x', 'lean-signature', header], 'SIGNATURE_INVALID'],
    ['the same line twice', ['lean-signature', header, 'lean-signature', header], 'SIGNATURE_INVALID'],
  ])('%s is refused', (_what, rawHeaders, reason) => {
    expect(judgeLines(...rawHeaders)).toBe(reason);
  });
});
