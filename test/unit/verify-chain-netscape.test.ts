// Netscape's certificate type of old, which some authorities still write: it may repeat what is demanded anyway.
import { beforeAll, expect, it } from 'vitest';
import { writeAuthority, writeLeaf, type Written } from '../support/certificate-writer.ts';
import { judgeInAWord } from '../support/chain-judge.ts';
import { extension, namedBits, oids, sequence } from '../support/der-writer.ts';

let root: Written;
beforeAll(() => {
  root = writeAuthority();
});

const clientBit = 0;
const serverBit = 1;
const tlsAuthorityBit = 5;
const netscapeType = (value: Buffer, critical = false) => ({
  netscapeType: extension(oids.netscapeType, { critical, value }),
});

const judgeLeaf = (value: Buffer, critical?: boolean) =>
  judgeInAWord({
    leaf: writeLeaf({ issuer: root, extensions: netscapeType(value, critical) }),
    bundle: [root],
  });

function judgeBelow(bit: number): string {
  const extensions = netscapeType(namedBits(bit));
  const authority = writeAuthority({ subject: 'Issuing', issuer: root, extensions });
  const leaf = writeLeaf({ issuer: authority });
  return judgeInAWord({ leaf, intermediates: [authority], bundle: [root] });
}

it('a leaf whose type names a client gets in, whatever else it names', () => {
  expect(judgeLeaf(namedBits(clientBit))).toBe('accept');
  expect(judgeLeaf(namedBits(clientBit, serverBit))).toBe('accept');
});

it('a leaf whose type does not name a client is refused', () => {
  expect(judgeLeaf(namedBits(serverBit))).toBe('EXTENSION_NOT_SUPPORTED');
  expect(judgeLeaf(namedBits(tlsAuthorityBit))).toBe('EXTENSION_NOT_SUPPORTED');
});

it('an authority gets in only with the type of an authority of TLS', () => {
  expect(judgeBelow(tlsAuthorityBit)).toBe('accept');
  expect(judgeBelow(clientBit)).toBe('EXTENSION_NOT_SUPPORTED');
});

it('a critical or malformed type is refused', () => {
  expect(judgeLeaf(namedBits(clientBit), true)).toBe('EXTENSION_NOT_SUPPORTED');
  expect(judgeLeaf(sequence())).toBe('EXTENSION_MALFORMED');
});
