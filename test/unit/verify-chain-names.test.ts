// Name constraints: an authority's limits on the names of those below it, kind by kind.
import { describe, expect, it } from 'vitest';
import { type CertificateWish } from '../support/certificate-writer.ts';
import { judgeBelow, names, permitted, type Constraints } from '../support/constrained-chain.ts';
import {
  bitString,
  distinguishedName,
  explicit,
  extension,
  generalName,
  implicit,
  objectIdentifier,
  oids,
  sequence,
  set,
  text,
} from '../support/der-writer.ts';

const excluded = (...bases: string[]) => ({ excluded: bases.map(generalName) });
const mail = (address: string, tag = 0x0c): CertificateWish => ({
  subject: distinguishedName([oids.emailAddress, address, tag]),
});

const unicodeMailbox = '1.3.6.1.5.5.7.8.9';

describe('lets pass', () => {
  it.each<[string, Constraints, CertificateWish]>([
    ['a DNS name that is permitted', permitted('dns:leantech.me'), {}],
    ['the permitted DNS name itself, in capitals', permitted('dns:WEBHOOKS.leantech.me'), {}],
    ['every DNS name below an empty base', permitted('dns:'), {}],
    ['a wildcard within what is permitted', permitted('dns:leantech.me'), names('dns:*.leantech.me')],
    ['a DNS name that is not excluded', excluded('dns:example.com'), {}],
    ['a name that only ends like an excluded one', excluded('dns:tech.me'), {}],
    ['one of several permitted', permitted('dns:example.com', 'dns:leantech.me'), {}],
    [
      'a mail address of the permitted host',
      permitted('email:leantech.me'),
      names('email:a@LEANTECH.me', 'dns:a.b'),
    ],
    [
      'the permitted mail address itself',
      permitted('email:a@leantech.me'),
      names('email:a@leantech.me', 'dns:a.b'),
    ],
    [
      'a mail address below a permitted domain',
      permitted('email:.leantech.me'),
      names('email:a@x.leantech.me', 'dns:a.b'),
    ],
    ['a mail address of the subject', permitted('email:leantech.me'), mail('a@leantech.me', 0x16)],
    [
      'an address in the permitted network',
      permitted('ip:0a000000ff000000'),
      names('ip:0a010203', 'dns:a.b'),
    ],
    [
      'a URI whose host is permitted',
      permitted('uri:leantech.me'),
      names('uri:https://leantech.me:8443/x', 'dns:a.b'),
    ],
    [
      'a URI below a permitted domain',
      permitted('uri:.leantech.me'),
      names('uri:spiffe://x.leantech.me', 'dns:a.b'),
    ],
    [
      'a subject below the permitted one',
      { permitted: [explicit(4, distinguishedName([oids.organization, 'LEAN ']))] },
      { subject: distinguishedName([oids.organization, 'Lean'], [oids.commonName, 'x']) },
    ],
    ['another kind than the one that is constrained', permitted('email:leantech.me'), names('dns:a.b')],
    [
      'an other name that is not of the excluded type',
      { excluded: [otherName('1.2.3')] },
      withName(otherName('1.2.4')),
    ],
    [
      'a common name that is no host name',
      permitted('dns:example.com'),
      { subject: 'Webhook Sender', extensions: { subjectAltName: null } },
    ],
  ])('%s', (_name, constraints, wish) => {
    expect(judgeBelow(constraints, wish)).toBe('accept');
  });
});

function otherName(type: string): Buffer {
  return explicit(0, objectIdentifier(type), explicit(0, text('x')));
}

function withName(name: Buffer): CertificateWish {
  return { extensions: { subjectAltName: extension(oids.subjectAltName, { value: sequence(name) }) } };
}

describe('refuses', () => {
  it.each<[string, Constraints, CertificateWish, string]>([
    ['a DNS name that is not permitted', permitted('dns:example.com'), {}, 'NAME_NOT_PERMITTED'],
    ['a DNS name that only ends like a permitted one', permitted('dns:tech.me'), {}, 'NAME_NOT_PERMITTED'],
    [
      'one DNS name of two that is not permitted',
      permitted('dns:leantech.me'),
      names('dns:a.leantech.me', 'dns:evil.example'),
      'NAME_NOT_PERMITTED',
    ],
    [
      'a wildcard wider than what is permitted',
      permitted('dns:webhooks.leantech.me'),
      names('dns:*.leantech.me'),
      'NAME_NOT_PERMITTED',
    ],
    ['an excluded DNS name', excluded('dns:leantech.me'), {}, 'NAME_EXCLUDED'],
    [
      'a wildcard that stands for an excluded name',
      excluded('dns:webhooks.leantech.me'),
      names('dns:*.leantech.me'),
      'NAME_EXCLUDED',
    ],
    [
      'a name both permitted and excluded',
      { ...permitted('dns:leantech.me'), ...excluded('dns:webhooks.leantech.me') },
      {},
      'NAME_EXCLUDED',
    ],
    [
      'a DNS name that is none, where DNS is constrained',
      permitted('dns:leantech.me'),
      names('dns:a..leantech.me'),
      'NAME_MALFORMED',
    ],
    [
      'a common name as DNS name, without such a name',
      permitted('dns:example.com'),
      { subject: 'webhooks.leantech.me', extensions: { subjectAltName: null } },
      'NAME_NOT_PERMITTED',
    ],
    [
      'a common name with a NUL',
      permitted('dns:example.com'),
      { subject: 'a.example.com\0', extensions: { subjectAltName: null } },
      'NAME_MALFORMED',
    ],
    [
      'a mail address of another host',
      permitted('email:leantech.me'),
      names('email:a@x.leantech.me'),
      'NAME_NOT_PERMITTED',
    ],
    [
      'another mailbox, or one in another case',
      permitted('email:a@leantech.me'),
      names('email:A@leantech.me'),
      'NAME_NOT_PERMITTED',
    ],
    [
      'the domain itself, where only those below are permitted',
      permitted('email:.leantech.me'),
      names('email:a@leantech.me'),
      'NAME_NOT_PERMITTED',
    ],
    ['an excluded mail host', excluded('email:leantech.me'), names('email:a@leantech.me'), 'NAME_EXCLUDED'],
    [
      'a mail address that is none',
      permitted('email:leantech.me'),
      names('email:a@b@leantech.me'),
      'NAME_MALFORMED',
    ],
    [
      'an excluded mail address in the subject',
      excluded('email:leantech.me'),
      mail('a@leantech.me', 0x16),
      'NAME_EXCLUDED',
    ],
    [
      'a mail address in the subject that is no ASCII string',
      excluded('email:example.com'),
      mail('a@leantech.me'),
      'NAME_MALFORMED',
    ],
    [
      'an address outside the permitted network',
      permitted('ip:0a000000ff000000'),
      names('ip:0b000000'),
      'NAME_NOT_PERMITTED',
    ],
    [
      'an IPv6 address where an IPv4 network is permitted',
      permitted('ip:0a000000ff000000'),
      names(`ip:${'00'.repeat(16)}`),
      'NAME_NOT_PERMITTED',
    ],
    [
      'an address in an excluded network',
      excluded('ip:0a000000ff000000'),
      names('ip:0aff0000'),
      'NAME_EXCLUDED',
    ],
    [
      'an IPv6 address in an excluded network',
      excluded(`ip:2001${'00'.repeat(14)}ffff${'00'.repeat(14)}`),
      names(`ip:2001${'01'.repeat(14)}`),
      'NAME_EXCLUDED',
    ],
    ['an address that is none', excluded('ip:0a000000ff000000'), names('ip:0a0000'), 'NAME_MALFORMED'],
    [
      'a URI of another host',
      permitted('uri:leantech.me'),
      names('uri:https://x.leantech.me/'),
      'NAME_NOT_PERMITTED',
    ],
    ['an excluded URI host', excluded('uri:leantech.me'), names('uri:https://leantech.me'), 'NAME_EXCLUDED'],
    [
      'a URI with user information',
      excluded('uri:leantech.me'),
      names('uri:https://a@leantech.me'),
      'NAME_MALFORMED',
    ],
    ['a URI with an address', excluded('uri:leantech.me'), names('uri:https://10.0.0.1/'), 'NAME_MALFORMED'],
    ['a URI without a host', excluded('uri:leantech.me'), names('uri:urn:lean:webhooks'), 'NAME_MALFORMED'],
    [
      'another subject',
      { permitted: [explicit(4, distinguishedName([oids.organization, 'Lean']))] },
      { subject: distinguishedName([oids.organization, 'Evil']) },
      'NAME_NOT_PERMITTED',
    ],
    [
      'an excluded subject',
      { excluded: [explicit(4, distinguishedName([oids.organization, 'lean']))] },
      { subject: distinguishedName([oids.organization, 'Lean'], [oids.commonName, 'x']) },
      'NAME_EXCLUDED',
    ],
    [
      'an excluded directory name among the alternative names',
      { excluded: [explicit(4, distinguishedName([oids.organization, 'lean']))] },
      withName(explicit(4, distinguishedName([oids.organization, 'Lean']))),
      'NAME_EXCLUDED',
    ],
    [
      'an other name whose type is constrained',
      { excluded: [otherName('1.2.3')] },
      withName(otherName('1.2.3')),
      'NAME_TYPE_NOT_SUPPORTED',
    ],
    [
      'a mail address beyond ASCII where mail addresses are permitted',
      permitted('email:leantech.me'),
      withName(otherName(unicodeMailbox)),
      'NAME_TYPE_NOT_SUPPORTED',
    ],
    [
      'a mail address beyond ASCII where mail addresses are excluded',
      excluded('email:example.com'),
      withName(otherName(unicodeMailbox)),
      'NAME_TYPE_NOT_SUPPORTED',
    ],
    [
      'text that reads like the bytes of a permitted subject',
      {
        permitted: [
          explicit(
            4,
            sequence(set(sequence(objectIdentifier(oids.organization), bitString(Buffer.of(0xaa))))),
          ),
        ],
      },
      { subject: distinguishedName([oids.organization, '#3:00aa']) },
      'NAME_NOT_PERMITTED',
    ],
    [
      'a registered id where such are constrained',
      { permitted: [implicit(8, Buffer.of(42, 3))] },
      withName(implicit(8, Buffer.of(42, 3))),
      'NAME_TYPE_NOT_SUPPORTED',
    ],
  ])('%s', (_name, constraints, wish, reason) => {
    expect(judgeBelow(constraints, wish)).toBe(reason);
  });
});
