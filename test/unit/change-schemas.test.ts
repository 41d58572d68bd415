// What may be told to the application, and in which shape.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { changeSchemas, checkedVersion, toldWord, type ChangeName } from '../../src/core/change-schemas.ts';
import type { NewChange } from '../../src/store/change-store.ts';

const names = Object.keys(changeSchemas).filter((name): name is ChangeName =>
  Object.hasOwn(changeSchemas, name),
);

/** The kinds of text that may be told; everything else is a count, a truth or null. */
const toldFormats: ReadonlySet<unknown> = new Set(['date', 'date-time']);
const documentSchema = z.object({ properties: z.record(z.string(), z.unknown()) });

describe('the schemas of changes', () => {
  it('are those that the application is promised', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        'entity.connected',
        'entity.action_required',
        'entity.ended',
        'account.updated',
        'balances.updated',
        'transactions.updated',
        'consent.expiring',
        'sync.completed',
        'sync.failed',
        'event.recorded',
      ]),
    );
  });

  it.each(names)('%s takes no member that it does not know', (name) => {
    expect(() => checkedVersion(name, { fullName: 'Fatima' })).toThrow(/has fullName/);
  });

  it.each(names)('%s has no member for a text that is neither an id, a date nor a word', (name) => {
    const { properties } = documentSchema.parse(z.toJSONSchema(changeSchemas[name].details));
    const texts = Object.entries(properties).filter(([member, schema]) => {
      const said = JSON.stringify(schema);
      const format = /"format":"([^"]+)"/.exec(said)?.[1];
      const isBound = said.includes('"pattern"') || said.includes('"const"') || toldFormats.has(format);
      return said.includes('"string"') && !isBound && !/(?:Id|bankIdentifier)$/.test(member);
    });
    expect(texts).toEqual([]);
  });

  it('are named by what was wrong, and never by what was in it', () => {
    const secret = 'AE070331234567890123456';
    const details = { reason: `gone: ${secret}`, [secret.toLowerCase()]: 1 };
    expect(() => checkedVersion('entity.ended', { reason: `gone: ${secret}` })).toThrow(
      'details of entity.ended: reason invalid_format',
    );
    expect(() => checkedVersion('entity.ended', details)).not.toThrow(new RegExp(`gone: ${secret}`));
  });

  it('let a word of Lean’s pass whatever it is, and never a sentence', () => {
    const words = ['payment_source.beneficiary.created', 'AWAITING_AUTHORISATION'];
    const others = ['a b', '', 'Fatima Al Zahra', '\u0000', 'ُ', 'a\n', 'x'.repeat(101), null];
    expect(words.map(toldWord)).toEqual(words);
    expect(others.map(toldWord)).toEqual(others.map(() => null));
    for (const text of [...words, ...others])
      expect(checkedVersion('event.recorded', { type: toldWord(text) })).toBe(1);
  });

  it('do not compile with a wrong member', () => {
    const whose = { entityId: 'entity', customerId: null };
    const changes: NewChange[] = [
      { change: 'entity.ended', ...whose, details: { reason: 'LEAN_ENTITY_UNKNOWN' } },
      // @ts-expect-error -- it says why
      { change: 'entity.ended', ...whose, details: {} },
      // @ts-expect-error -- it has no such member
      { change: 'entity.ended', ...whose, details: { reason: 'LEAN_ENTITY_UNKNOWN', state: 'ended' } },
      // @ts-expect-error -- a count is a number
      { change: 'balances.updated', ...whose, details: { inserted: '1', changed: 0 } },
    ];
    expect(changes).toHaveLength(4);
  });
});
