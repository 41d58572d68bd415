import { describe, expect, it } from 'vitest';
import { textTable } from '../../src/core/text-table.ts';

describe('textTable', () => {
  it('sets names over a line and amounts to the right', () => {
    expect(
      textTable([
        { account: 'current', amount: '12.50' },
        { account: 'savings', amount: '1000.00' },
      ]),
    ).toBe(['account  amount', '-------  -------', 'current    12.50', 'savings  1000.00'].join('\n'));
  });

  it('keeps line breaks, escape sequences and bidi marks of a bank’s text out of the terminal', () => {
    expect(textTable([{ text: 'SALARY\nMAY\u001B[31m \u202Ered' }])).toContain('SALARY MAY [31m red');
  });

  it('cuts a long text and says so', () => {
    expect(
      textTable([{ text: 'x'.repeat(100) }])
        .split('\n')
        .at(-1),
    ).toBe(`${'x'.repeat(39)}…`);
  });

  it('leaves whole what somebody has to copy', () => {
    const key = `sha256:${'ab'.repeat(32)}`;
    expect(textTable([{ key, text: 'x'.repeat(100) }], { whole: ['key'] })).toContain(`${key}  x`);
  });

  it('says that there are no rows', () => {
    expect(textTable([])).toBe('(no rows)');
  });
});
