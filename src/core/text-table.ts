// Rows as a plain text table, for people at a terminal.

const maximumWidth = 40;

/**
 * Columns are those of the first row; numbers-as-text are set to the right. No rows give "(no rows)". What is long is cut,
 * but not in the columns of `whole`: what somebody has to copy.
 */
export function textTable(
  rows: readonly Readonly<Record<string, unknown>>[],
  { whole = [] }: { readonly whole?: readonly string[] } = {},
): string {
  const [first] = rows;
  if (first === undefined) return '(no rows)';
  const names = Object.keys(first);
  const cells = rows.map((row) => names.map((name) => cellText(row[name], whole.includes(name))));
  const widths = names.map((name, column) =>
    Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (values: readonly string[]): string =>
    values
      .map((value, column) => pad(value, widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(names), line(widths.map((width) => '-'.repeat(width))), ...cells.map((row) => line(row))].join(
    '\n',
  );
}

function cellText(value: unknown, isWhole: boolean): string {
  const given = typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
  // A bank's text may hold line breaks and control characters, which would leave the table or worse.
  const text = given.replace(/[\p{C}\s]+/gu, ' ');
  return isWhole || text.length <= maximumWidth ? text : `${text.slice(0, maximumWidth - 1)}…`;
}

function pad(text: string, width: number): string {
  return /^-?[\d,.]+$/.test(text) ? text.padStart(width) : text.padEnd(width);
}
