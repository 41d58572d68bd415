// The README's tables of metrics and of alerts, made from the registry of a process and from deploy/prometheus-rules.yaml.
import { readAlertRules, registeredMetrics, seriesOf, type AlertRule } from './prometheus-rules.ts';

/** Rules that alerts stand on, with what they are made of. */
const recorded: Readonly<Record<string, string>> = {
  'lean:deliveries_accepted:1h': 'lean_webhook_deliveries_total',
};

export function metricsTable(): string {
  const rules = readAlertRules();
  const rows = registeredMetrics().map(({ name, type, labelNames, help }) => {
    const alerts = rules.filter((rule) => namesOf(rule).has(name)).map((rule) => `\`${rule.name}\``);
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type}, ${unitOf(name)} | ${labels || '-'} | ${cell(help)} | ${alerts.join(', ') || '-'} |`;
  });
  return [
    '| metric | kind, unit | labels | what it counts | alerts |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

export function alertsTable(): string {
  const rows = readAlertRules().map(
    ({ name, severity, summary, description }) =>
      `| \`${name}\` | ${severity} | ${cell(summary)} | ${cell(withoutTemplates(description))} |`,
  );
  return [
    '| alert | severity | what is so | what it means and what to do |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function namesOf({ expression }: AlertRule): ReadonlySet<string> {
  const direct = seriesOf(expression).map(({ name }) => name);
  const through = Object.entries(recorded).flatMap(([rule, metric]) =>
    expression.includes(rule) ? [metric] : [],
  );
  return new Set([...direct, ...through]);
}

/** As Prometheus wants it: the unit is in the name. */
function unitOf(name: string): string {
  return /_(seconds|bytes)(?:_|$)/.exec(name)?.[1] ?? 'number';
}

/** What Prometheus fills in when it fires. */
function withoutTemplates(text: string): string {
  return text
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, '*$1*')
    .replaceAll(/\{\{ \$value[^}]*\}\}/g, '*so much*');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
