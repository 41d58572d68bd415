// Certificates that are not exactly what they should be, byte by byte: refused before anybody's signature counts.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ecKeys,
  signatureAlgorithm,
  subjectAltName,
  writeAuthority,
  writeCertificate,
  writeLeaf,
  type CertificateWish,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeInAWord } from '../support/chain-judge.ts';
import {
  boolean,
  der,
  distinguishedName,
  explicit,
  extension,
  implicit,
  integer,
  nothing,
  objectIdentifier,
  octetString,
  oids,
  sequence,
  set,
  text,
  time,
} from '../support/der-writer.ts';

let root: Written;
beforeAll(() => {
  root = writeAuthority();
});

const judgeLeaf = (wish: CertificateWish) =>
  judgeInAWord({ leaf: writeLeaf({ ...wish, issuer: root }), bundle: [root] });
const judgeBytes = (bytes: Uint8Array) => judgeInAWord({ leaf: { der: bytes }, bundle: [root] });
const withExtension = (value: Buffer, name = 'odd') => judgeLeaf({ extensions: { [name]: value } });

describe('the bytes', () => {
  it.each<[string, () => Uint8Array, string]>([
    ['none at all', () => Buffer.alloc(0), 'CERTIFICATE_MALFORMED'],
    [
      'a byte behind the certificate',
      () => Buffer.concat([writeLeaf({ issuer: root }).der, Buffer.of(0)]),
      'CERTIFICATE_MALFORMED',
    ],
    ['the last byte cut off', () => writeLeaf({ issuer: root }).der.subarray(0, -1), 'CERTIFICATE_MALFORMED'],
    ['PEM instead of DER', () => Buffer.from('-----BEGIN CERTIFICATE-----'), 'CERTIFICATE_MALFORMED'],
    [
      'a length that is longer than needed',
      () => lengthen(writeLeaf({ issuer: root }).der),
      'CERTIFICATE_MALFORMED',
    ],
    [
      'more than 20,000 bytes',
      () =>
        writeLeaf({
          issuer: root,
          extensions: { odd: extension('1.2.3.4', { value: Buffer.alloc(20_000) }) },
        }).der,
      'CERTIFICATE_TOO_LARGE',
    ],
  ])('%s', (_name, bytes, reason) => {
    expect(judgeBytes(bytes())).toBe(reason);
  });

  it('just below 20,000 bytes is not too many', () => {
    expect(withExtension(extension('1.2.3.4', { value: Buffer.alloc(19_000) }))).toBe('accept');
  });
});

/** 30 82 xx xx becomes 30 83 00 xx xx. */
function lengthen(certificate: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0x30, 0x83, 0), certificate.subarray(2)]);
}

const attributes = (count: number) =>
  Array.from({ length: count }, (_one, index): [string, string] => [oids.commonName, `x${index}`]);
const badTime = (one: Buffer) => sequence(time(new Date('2026-01-01T00:00:00Z')), one);

describe('the fields', () => {
  it.each<[string, CertificateWish, string]>([
    ['version 1', { version: Buffer.alloc(0), extensions: {} }, 'CERTIFICATE_NOT_V3'],
    ['version 2', { version: explicit(0, integer(1)) }, 'CERTIFICATE_NOT_V3'],
    ['version 4', { version: explicit(0, integer(3)) }, 'CERTIFICATE_NOT_V3'],
    ['a serial number of 21 bytes', { serial: Buffer.alloc(21, 1) }, 'CERTIFICATE_MALFORMED'],
    ['a serial number with a leading zero', { serial: Buffer.of(0, 1) }, 'CERTIFICATE_MALFORMED'],
    [
      'another algorithm inside than outside',
      { innerAlgorithm: signatureAlgorithm(ecKeys(), 'sha384') },
      'SIGNATURE_ALGORITHM_MISMATCH',
    ],
    [
      'another algorithm outside than inside',
      { outerAlgorithm: signatureAlgorithm(ecKeys(), 'sha384') },
      'SIGNATURE_ALGORITHM_MISMATCH',
    ],
    ['a time without seconds', { validity: badTime(text('2701010000Z', 0x17)) }, 'CERTIFICATE_MALFORMED'],
    [
      'a time with an offset',
      { validity: badTime(text('270101000000+0100', 0x17)) },
      'CERTIFICATE_MALFORMED',
    ],
    [
      'a day that does not exist',
      { validity: badTime(text('270230000000Z', 0x17)) },
      'CERTIFICATE_MALFORMED',
    ],
    [
      'a third time',
      { validity: sequence(...[1, 2, 3].map(() => time(new Date('2027-01-01T00:00:00Z')))) },
      'CERTIFICATE_MALFORMED',
    ],
    ['65 attributes in a name', { subject: distinguishedName(...attributes(65)) }, 'CERTIFICATE_MALFORMED'],
    ['an empty part of a name', { subject: sequence(set()) }, 'CERTIFICATE_MALFORMED'],
    [
      'text that is not UTF-8 in a name',
      { subject: sequence(set(sequence(objectIdentifier(oids.commonName), der(0x0c, Buffer.of(0xff))))) },
      'CERTIFICATE_MALFORMED',
    ],
    ['an empty issuer', { issuerName: sequence() }, 'NAME_EMPTY'],
    ['a field that does not exist', { between: [explicit(4, integer(1))] }, 'CERTIFICATE_MALFORMED'],
  ])('%s', (_name, wish, reason) => {
    expect(judgeLeaf(wish)).toBe(reason);
  });

  it.each<[string, CertificateWish]>([
    [
      'serial numbers of 20 bytes behind a zero',
      { serial: Buffer.concat([Buffer.of(0), Buffer.alloc(20, 0xff)]) },
    ],
    ['64 attributes in a name', { subject: distinguishedName(...attributes(64)) }],
    ['years after 2049', { notAfter: new Date('2050-01-01T00:00:00Z') }],
    ['unique identifiers of old', { between: [implicit(1, Buffer.of(0, 1)), implicit(2, Buffer.of(0, 1))] }],
    [
      'an empty subject, when the names are critical',
      {
        subject: sequence(),
        extensions: {
          subjectAltName: extension(oids.subjectAltName, {
            critical: true,
            value: Buffer.from('3003820161', 'hex'),
          }),
        },
      },
    ],
  ])('%s are fine', (_name, wish) => {
    expect(judgeLeaf(wish)).toBe('accept');
  });

  it('a signature with bits to spare', () => {
    const leaf = writeLeaf({ issuer: root }).der;
    const spare = Buffer.from(leaf);
    // The number of unused bits stands in front of the signature, which is itself a SEQUENCE.
    const at = spare.lastIndexOf(Buffer.of(0x00, 0x30));
    spare[at] = 1;
    expect(judgeBytes(spare)).toBe('CERTIFICATE_MALFORMED');
  });
});

describe('extensions', () => {
  const value = sequence();

  it.each<[string, Buffer, string]>([
    [
      'that are critical and unknown',
      extension('1.2.3.4', { critical: true, value }),
      'EXTENSION_UNKNOWN_CRITICAL',
    ],
    [
      'policyConstraints, critical',
      extension(oids.policyConstraints, { critical: true, value }),
      'EXTENSION_UNKNOWN_CRITICAL',
    ],
    [
      'policyMappings, critical',
      extension(oids.policyMappings, { critical: true, value }),
      'EXTENSION_UNKNOWN_CRITICAL',
    ],
    [
      'inhibitAnyPolicy, critical',
      extension(oids.inhibitAnyPolicy, { critical: true, value: integer(0) }),
      'EXTENSION_UNKNOWN_CRITICAL',
    ],
    [
      'distribution points, critical',
      extension(oids.distributionPoints, { critical: true, value }),
      'EXTENSION_UNKNOWN_CRITICAL',
    ],
    ["a proxy's", extension('1.3.6.1.5.5.7.1.14', { value }), 'EXTENSION_NOT_SUPPORTED'],
    ['address blocks', extension('1.3.6.1.5.5.7.1.7', { value }), 'EXTENSION_NOT_SUPPORTED'],
    ['autonomous systems', extension('1.3.6.1.5.5.7.1.8', { value }), 'EXTENSION_NOT_SUPPORTED'],
    ['twice the same', subjectAltName('dns:other.example'), 'EXTENSION_REPEATED'],
    [
      'a flag that is neither true nor false',
      sequence(objectIdentifier('1.2.3.4'), der(0x01, Buffer.of(1)), octetString(value)),
      'EXTENSION_MALFORMED',
    ],
    [
      'a flag that says the default',
      sequence(objectIdentifier('1.2.3.4'), boolean(false), octetString(value)),
      'EXTENSION_MALFORMED',
    ],
    [
      'one with a field too many',
      sequence(objectIdentifier('1.2.3.4'), octetString(value), nothing, nothing),
      'EXTENSION_MALFORMED',
    ],
    [
      'an identifier that is cut off',
      sequence(der(0x06, Buffer.of(0x2a, 0x83)), octetString(value)),
      'EXTENSION_MALFORMED',
    ],
    [
      'an identifier with a padded number',
      sequence(der(0x06, Buffer.of(0x2a, 0x80, 1)), octetString(value)),
      'EXTENSION_MALFORMED',
    ],
    ['one without a value', sequence(objectIdentifier('1.2.3.4')), 'EXTENSION_MALFORMED'],
    [
      'an empty list of distribution points',
      extension(oids.distributionPoints, { value }),
      'EXTENSION_MALFORMED',
    ],
    [
      'a distribution point of an unknown form',
      extension(oids.distributionPoints, { value: sequence(sequence(implicit(5, Buffer.of(1)))) }),
      'EXTENSION_MALFORMED',
    ],
  ])('%s', (_name, odd, reason) => {
    expect(withExtension(odd)).toBe(reason);
  });

  it.each<[string, string, Buffer]>([
    ['key usage', 'keyUsage', extension(oids.keyUsage, { value: Buffer.from('03020700', 'hex') })],
    [
      'key usage without any bit',
      'keyUsage',
      extension(oids.keyUsage, { value: Buffer.from('030100', 'hex') }),
    ],
    [
      'key usage with trailing zeros',
      'keyUsage',
      extension(oids.keyUsage, { value: Buffer.from('03020080', 'hex') }),
    ],
    ['extended key usage', 'extendedKeyUsage', extension(oids.extendedKeyUsage, { value })],
    ['alternative names', 'subjectAltName', extension(oids.subjectAltName, { value })],
    ['an alternative name with a line break', 'subjectAltName', subjectAltName('uri:a:\nb')],
    [
      'an alternative name of an unknown kind',
      'subjectAltName',
      extension(oids.subjectAltName, { value: sequence(implicit(9, Buffer.of(1))) }),
    ],
    ['a subject key identifier', 'subjectKeyIdentifier', extension(oids.subjectKeyIdentifier, { value })],
    [
      'an authority key identifier',
      'authorityKeyIdentifier',
      extension(oids.authorityKeyIdentifier, { value: sequence(implicit(5, Buffer.of(1))) }),
    ],
    ['name constraints', 'nameConstraints', extension(oids.nameConstraints, { value })],
    [
      'bytes behind a value',
      'extendedKeyUsage',
      extension(oids.extendedKeyUsage, {
        value: Buffer.concat([sequence(objectIdentifier(oids.clientAuth)), Buffer.of(0)]),
      }),
    ],
    [
      'basic constraints with the default written out',
      'basicConstraints',
      extension(oids.basicConstraints, { value: sequence(boolean(false)) }),
    ],
    [
      'a path length on what is no authority',
      'basicConstraints',
      extension(oids.basicConstraints, { value: sequence(integer(0)) }),
    ],
    [
      'a path length below zero',
      'basicConstraints',
      extension(oids.basicConstraints, { value: sequence(boolean(true), integer(Buffer.of(0x80))) }),
    ],
  ])('empty or malformed: %s', (_name, name, odd) => {
    expect(withExtension(odd, name)).toBe('EXTENSION_MALFORMED');
  });

  it('an empty list of them', () => {
    const wish = { extensions: {}, between: [explicit(3, sequence())] };
    const none = { subjectKeyIdentifier: null, authorityKeyIdentifier: null };
    const leaf = writeCertificate({ ...wish, extensions: none, issuer: root });
    expect(judgeInAWord({ leaf, bundle: [root] })).toBe('EXTENSION_MALFORMED');
  });
});
