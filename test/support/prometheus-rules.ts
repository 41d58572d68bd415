// The alerts of deploy/prometheus-rules.yaml, read without a parser of YAML: our own file, in our own layout. promtool
// itself says whether Prometheus can read it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { createMetrics } from '../../src/observability/metrics.ts';
import { root } from './processes.ts';

export const rulesFile = path.join(root, 'deploy/prometheus-rules.yaml');

export interface AlertRule {
  readonly name: string;
  readonly severity: string;
  readonly expression: string;
  readonly summary: string;
  readonly description: string;
  readonly runbook: string;
}

export function readAlertRules(text = readFileSync(rulesFile, 'utf8')): AlertRule[] {
  return text
    .split(/^ {6}- (?=alert: )/m)
    .slice(1)
    .map((block) => ({
      name: valueOf(block, 'alert'),
      severity: valueOf(block, 'labels').replace(/^\{ severity: (\w+) \}$/, '$1'),
      expression: valueOf(block, 'expr'),
      summary: quotedOf(block, 'summary'),
      description: quotedOf(block, 'description'),
      runbook: valueOf(block, 'runbook_url'),
    }));
}

/** On the line of its name, or folded below it. */
function valueOf(block: string, name: string): string {
  const [, indent = '', first = ''] = new RegExp(`^( *)${name}: (.*)$`, 'm').exec(block) ?? [];
  if (first === '') throw new Error(`a rule has no ${name}: ${block}`);
  if (first !== '>-') return first;
  const below = block
    .slice(block.indexOf(`${name}: >-`))
    .split('\n')
    .slice(1);
  const end = below.findIndex((line) => line.search(/\S/) <= indent.length);
  return below
    .slice(0, end === -1 ? undefined : end)
    .map((line) => line.trim())
    .join(' ');
}

function quotedOf(block: string, name: string): string {
  const value = valueOf(block, name);
  const [, double] = /^"([^"\\]*)"$/.exec(value) ?? [];
  return double ?? value.replace(/^'(.*)'$/, '$1').replaceAll("''", "'");
}

const metricSchema = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
  labelNames: z.array(z.string()),
});
export type RegisteredMetric = z.infer<typeof metricSchema>;

/** What a process shows under `/metrics`, ours first in the order of their making; the library's only where asked. */
export function registeredMetrics({ processMetrics = false } = {}): RegisteredMetric[] {
  const { registry } = createMetrics({ processMetrics });
  return z.array(metricSchema).parse(registry.getMetricsAsArray());
}

export interface NamedSeries {
  readonly name: string;
  /** Of its selector and of what it is grouped by. */
  readonly labels: readonly string[];
}

/** Every series of ours that an expression names; `_bucket`, `_sum` and `_count` are of their histogram. */
export function seriesOf(expression: string): NamedSeries[] {
  return [...expression.matchAll(/\b(lean_\w+?|up)(?:_(?:bucket|sum|count))?\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  );
}

/** The labels that an expression groups by. */
export function groupingOf(expression: string): string[] {
  return [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/));
}
