// Name constraints as such: whom they bind, and those that could not have been meant.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  nameConstraints,
  writeAuthority,
  writeLeaf,
  type CertificateWish,
  type Written,
} from '../support/certificate-writer.ts';
import { judgeInAWord } from '../support/chain-judge.ts';
import { judgeBelow, names, permitted, type Constraints } from '../support/constrained-chain.ts';
import {
  distinguishedName,
  explicit,
  extension,
  generalName,
  implicit,
  oids,
  sequence,
} from '../support/der-writer.ts';

let root: Written;
beforeAll(() => {
  root = writeAuthority();
});

/** 256 characters. */
const longHost = `${'ab.'.repeat(85)}c`;

describe('refuses a constraint', () => {
  it.each<[string, Buffer]>([
    ['a mask with a hole', generalName('ip:0a000000ff00ff00')],
    ['an address without a mask', generalName('ip:0a000000')],
    ['a DNS wildcard', generalName('dns:*.leantech.me')],
    ['a mail address without a host', generalName('email:a@')],
    ['a URI instead of a host', generalName('uri:https://leantech.me')],
  ])('that is %s', (_name, base) => {
    expect(judgeBelow({ permitted: [base] }, {})).toBe('EXTENSION_MALFORMED');
  });

  it.each<[string, Buffer]>([
    ['a minimum', implicit(0, Buffer.of(1))],
    ['a maximum', implicit(1, Buffer.of(1))],
  ])('with %s', (_name, distance) => {
    const value = sequence(explicit(0, sequence(generalName('dns:leantech.me'), distance)));
    const constraint = extension(oids.nameConstraints, { critical: true, value });
    const authority = writeAuthority({ subject: 'Issuing', issuer: root, extensions: { constraint } });
    const leaf = writeLeaf({ issuer: authority });
    expect(judgeInAWord({ leaf, intermediates: [authority], bundle: [root] })).toBe('EXTENSION_MALFORMED');
  });
});

const excluded = (...bases: string[]) => ({ excluded: bases.map(generalName) });

describe('a constrained host', () => {
  it('of 255 characters is compared', () => {
    expect(judgeBelow(excluded('dns:a.b'), names(`dns:${longHost.slice(1)}`))).toBe('accept');
  });

  it.each<[string, Constraints, CertificateWish]>([
    ['a DNS name of 256 characters', excluded('dns:a.b'), names(`dns:${longHost}`)],
    ['a mail address at a host of 256 characters', excluded('email:a.b'), names(`email:a@${longHost}`)],
    ['a URI with a host of 256 characters', excluded('uri:a.b'), names(`uri:https://${longHost}/`)],
    [
      'a common name of 256 characters, without a DNS name',
      excluded('dns:a.b'),
      { subject: longHost, extensions: { subjectAltName: null } },
    ],
  ])('of 256 is refused unread: %s', (_name, constraints, wish) => {
    expect(judgeBelow(constraints, wish)).toBe('NAME_MALFORMED');
  });
});

it('a common name that is no text is refused where names are constrained and no DNS name stands beside it', () => {
  const subject = distinguishedName([oids.commonName, 'webhooks.leantech.me', 0x30]);
  const wish = (alternative: string) => ({ subject, ...names(alternative) });
  expect(judgeBelow(excluded('email:a.b'), wish('uri:https://a.b/'))).toBe('NAME_MALFORMED');
  expect(judgeBelow(excluded('email:a.b'), wish('dns:webhooks.leantech.me'))).toBe('accept');
});

const constrained = (issuer?: Written, base = 'dns:leantech.me') =>
  writeAuthority({
    subject: issuer ? 'Constrained' : 'Root',
    ...(issuer && { issuer }),
    extensions: { nameConstraints: nameConstraints(permitted(base)) },
  });

const many = (count: number) => Array.from({ length: count }, (_one, index) => `dns:n${index}.leantech.me`);

describe('whom a constraint binds', () => {
  it("those below an anchor's too", () => {
    const anchor = constrained();
    const leaf = writeLeaf({ issuer: anchor, ...names('dns:evil.example') });
    expect(judgeInAWord({ leaf, bundle: [anchor] })).toBe('NAME_NOT_PERMITTED');
  });

  it('everyone below, not only the next', () => {
    const top = constrained(root);
    const below = writeAuthority({ subject: 'Below', issuer: top });
    const leaf = writeLeaf({ issuer: below, ...names('dns:evil.example') });
    const chain = { leaf, intermediates: [top, below], bundle: [root] };
    expect(judgeInAWord(chain)).toBe('NAME_NOT_PERMITTED');
  });

  it('an authority in the middle too', () => {
    const top = constrained(root);
    const below = writeAuthority({ subject: 'Below', issuer: top, ...names('dns:evil.example') });
    const leaf = writeLeaf({ issuer: below });
    const chain = { leaf, intermediates: [top, below], bundle: [root] };
    expect(judgeInAWord(chain)).toBe('NAME_NOT_PERMITTED');
  });

  it('not a self-issued authority, which only changes its key', () => {
    const anchor = constrained();
    const rollover = writeAuthority({ subject: 'Root', issuer: anchor, ...names('dns:evil.example') });
    const leaf = writeLeaf({ issuer: rollover });
    const chain = { leaf, intermediates: [rollover], bundle: [anchor] };
    expect(judgeInAWord(chain)).toBe('accept');
  });

  it('and a second one cannot widen the first', () => {
    const top = constrained(root, 'dns:webhooks.leantech.me');
    const wider = writeAuthority({
      subject: 'Wider',
      issuer: top,
      extensions: { nameConstraints: nameConstraints(permitted('dns:me')) },
    });
    const leaf = writeLeaf({ issuer: wider, ...names('dns:other.leantech.me') });
    const chain = { leaf, intermediates: [top, wider], bundle: [root] };
    expect(judgeInAWord(chain)).toBe('NAME_NOT_PERMITTED');
  });

  it('more than 4,096 comparisons are not made', () => {
    const wish = names(...many(70));
    expect(judgeBelow(permitted('dns:leantech.me', ...many(55)), wish)).toBe('accept');
    expect(judgeBelow(permitted('dns:leantech.me', ...many(60)), wish)).toBe('NAME_CHECKS_EXCEEDED');
  });
});
