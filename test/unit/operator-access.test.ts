// Whose word opens the operator's pages.
import { describe, expect, it } from 'vitest';
import { createOperatorAccess } from '../../src/operations/operator-access.ts';

const token = 'sixteen:or-more!';
const access = createOperatorAccess(token);
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('OPS_TOKEN', () => {
  it.each([
    ['Bearer', `Bearer ${token}`],
    ['bearer, however it is written', `bEARER  ${token}`],
    ['Basic, with any user', basic(`somebody:${token}`)],
    ['Basic, without a user', basic(`:${token}`)],
  ])('opens as %s', (_, authorization) => expect(access.judge(authorization)).toBe('admitted'));

  it.each([
    ['a longer one', `Bearer ${token}x`],
    ['the start of it', `Bearer ${token.slice(0, -1)}`],
    ['it twice', `Bearer ${token} ${token}`],
    ['it as the user', basic(`${token}:`)],
    ['it without a colon', basic('or-more!')],
    ['another scheme', `Digest ${token}`],
    ['it alone', token],
    ['an empty one', 'Bearer '],
  ])('stays closed to %s', (_, authorization) => expect(access.judge(authorization)).toBe('wrong'));

  it.each([undefined, ''])('is asked for where none is offered (%s)', (authorization) =>
    expect(access.judge(authorization)).toBe('none_offered'),
  );
});
