// The arithmetic of the benchmark: what a median, a ratio and a target say of its rounds. Measures nothing.
import { describe, expect, it } from 'vitest';
import { interleave, judge, median, ratios, spread } from '../bench/rounds.ts';
import { figure, ratiosTable } from '../bench/table.ts';

describe('rounds', () => {
  it('measures all subjects in turn, and only then again', async () => {
    const order: string[] = [];
    const values = await interleave({
      rounds: 2,
      subjects: [{ name: 'a' }, { name: 'b' }],
      measure({ name }, round) {
        order.push(name + round);
        return Promise.resolve(order.length);
      },
    });
    expect(order).toEqual(['a0', 'b0', 'a1', 'b1']);
    expect([...values]).toEqual([
      ['a', [1, 3]],
      ['b', [2, 4]],
    ]);
  });

  it('takes the value in the middle, or half way between two, whatever their order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([8, 1, 2, 4])).toBe(3);
    expect(median([])).toBeNaN();
    expect(spread([8, 1, 2])).toEqual({ least: 1, most: 8 });
  });

  it('compares what was measured in the same round', () => {
    expect(ratios([10, 30], [5, 10])).toEqual([2, 3]);
    // The other one broke off.
    expect(ratios([10, 30], [5])).toEqual([2]);
  });

  it('meets a target by its median, its bound included, and never with nothing measured', () => {
    expect(judge({ atLeast: 2 }, [1, 2, 9])).toBe('met');
    expect(judge({ atLeast: 2 }, [1.9, 1.9, 9])).toBe('missed');
    expect(judge({ atMost: 0.5 }, [0.1, 0.5, 2])).toBe('met');
    expect(judge({ atMost: 0.5 }, [0.6])).toBe('missed');
    expect(judge({ atMost: 0.5 }, [])).toBe('not measured');
  });

  it('says of a round in which one of the two was not measured that there is no verdict', () => {
    expect(median([Number.NaN, 1, 2])).toBeNaN();
    // Nothing answered by the other one is no victory.
    expect(ratios([10, 30], [0, 10])).toEqual([Number.NaN, 3]);
    expect(judge({ atLeast: 2 }, ratios([10, 30, 30], [0, 10, 10]))).toBe('not measured');
    expect(judge({ atMost: 0.5 }, [0.1, Number.NaN, 0.1])).toBe('not measured');
  });

  it('says of each target what it was and whether it was met', () => {
    const table = ratiosTable([
      { what: 'fast', target: { atLeast: 2 }, rounds: [1, 3, 2.5] },
      { what: 'slow', target: { atMost: 0.5 }, rounds: [0.7] },
      { what: 'told', target: null, rounds: [4] },
    ]);
    expect(table).toMatch(/fast +2\.50 +1\.00 – 3\.00 +at least 2 +met/);
    expect(table).toMatch(/slow +0\.70 +0\.70 – 0\.70 +at most 0\.5 +missed/);
    expect(table).toMatch(/told +4\.00 +4\.00 – 4\.00$/m);
  });

  it.each([
    [12_345.6, '12346'],
    [45.67, '45.7'],
    [1.234, '1.23'],
    [0.0012, '0.0012'],
    [0, '0.00'],
    [Number.NaN, '–'],
  ])('writes %d as %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});
