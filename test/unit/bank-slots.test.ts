import { describe, expect, it } from 'vitest';
import { createBankSlots, type BankSlot } from '../../src/worker/bank-slots.ts';

function delayOf(slot: BankSlot): number {
  if (slot.kind !== 'busy') throw new Error('a slot was free');
  return slot.delayMs;
}

describe('bank slots', () => {
  it('give one bank a quarter of the worker, and every other bank its own quarter', () => {
    const slots = createBankSlots({ slots: 16 });
    expect([1, 2, 3, 4, 5].map(() => slots.take('slow').kind)).toEqual([
      'taken',
      'taken',
      'taken',
      'taken',
      'busy',
    ]);
    expect(slots.take('quick').kind).toBe('taken');
  });

  it.each([1, 2, 3, 7])('let every bank have one call in a worker of %i slots', (size) => {
    const slots = createBankSlots({ slots: size });
    expect([slots.take('a').kind, slots.take('a').kind, slots.take('b').kind]).toEqual([
      'taken',
      'busy',
      'taken',
    ]);
  });

  it('are free again when given back', () => {
    const slots = createBankSlots({ slots: 4 });
    const slot = slots.take('a');
    expect(slots.take('a').kind).toBe('busy');
    if (slot.kind === 'taken') slot.release();
    expect(slots.take('a').kind).toBe('taken');
  });

  it('send those away who find none at the pace of the bank, for half a minute at most', () => {
    let now = 0;
    const slots = createBankSlots({ slots: 8, nowMs: () => now });
    const [first] = [slots.take('a'), slots.take('a')];
    now = 6_000;
    if (first?.kind === 'taken') first.release();
    slots.take('a');
    const delays = Array.from({ length: 20 }, () => delayOf(slots.take('a')));
    expect(delays.slice(0, 3)).toEqual([3_000, 6_000, 9_000]);
    expect(Math.max(...delays)).toBe(30_000);
  });
});
