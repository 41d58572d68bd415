// What the benchmark prints: figures and targets, a median and its spread each. Only text.
import { textTable } from '../../src/core/text-table.ts';
import { judge, median, spread, type Target } from './rounds.ts';
import type { Figure, Ratio } from './scenario.ts';

/** Each of its scenario, which is named where there are several. */
export type Named<Line> = Line & { readonly scenario?: string };

/** Cut, one would not be told from the other. */
const named = ['what', 'ratio', 'subject'];

export function figuresTable(figures: readonly Named<Figure>[]): string {
  return textTable(
    figures.map(({ scenario, what, subject, unit, rounds }) => ({
      ...(scenario !== undefined && { scenario }),
      what,
      subject,
      ...told(rounds),
      unit,
    })),
    { whole: named },
  );
}

export function ratiosTable(ratios: readonly Named<Ratio>[]): string {
  return textTable(
    ratios.map(({ scenario, what, target, rounds }) => ({
      ...(scenario !== undefined && { scenario }),
      ratio: what,
      ...told(rounds),
      target: target === null ? '' : describeTarget(target),
      verdict: target === null ? '' : judge(target, rounds),
    })),
    { whole: named },
  );
}

function told(rounds: readonly number[]): { median: string; spread: string } {
  const { least, most } = spread(rounds);
  return { median: figure(median(rounds)), spread: `${figure(least)} – ${figure(most)}` };
}

function describeTarget(target: Target): string {
  return 'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`;
}

/** Three digits that count, as far as there are any. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const rounded = Number(value.toFixed(digits));
  return rounded === 0 && value !== 0 ? value.toPrecision(2) : rounded.toFixed(digits);
}
