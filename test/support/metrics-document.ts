// The README's tables of metrics and of alerts, made from the registry of a process and from deploy/prometheus-rules.yaml.
import { readAlertRules, registeredMetrics, seriesOf, type AlertRule } from './prometheus-rules.ts';

/** Rules that alerts stand on, with what they are made of. */
const recorded: Readonly<Record<string, string>> = {
  'lean:deliveries_accepted:1h': 'lean_webhook_deliveries_total',
};

/** Why nobody is told, of every metric that no alert looks at. */
export const withoutAlert: Readonly<Record<string, string>> = {
  lean_webhook_commit_seconds: 'a part of `lean_webhook_ack_seconds`, which has one',
  lean_webhook_in_flight: 'being full shows as OVERLOADED: `LeanOverloaded`',
  lean_webhook_requests_unread_total: 'strangers cause it at will, and it costs no delivery',
  lean_journal_rows: 'its age and its bytes have alerts',
  lean_forwarder_batches_outstanding: 'how long they wait counts: `LeanJournalOld`',
  lean_job_seconds: 'how long work waits counts: `LeanEventsWait`, `LeanCallsWait`',
  lean_events_total: 'how many stay undone or odd counts: `LeanEventsWait`, `LeanQuarantineGrows`',
  lean_event_warnings_total: 'nothing was lost; for whoever asks Lean about it',
  lean_call_seconds: 'banks are slow; what waits too long is due too long: `LeanCallsWait`',
  lean_requests_total: 'whoever asked reads in `requests` what became of it',
  lean_event_batches_total:
    'it tells of speed alone: events that were not taken together are each applied alone',
  lean_syncs_total: 'what is missing afterwards counts: `LeanSyncsOld`, `LeanJobsFail`',
  lean_changes_published_total: 'what is not published counts: `LeanFeedStands`',
  lean_reconciled_total: 'it says that something was made good',
  lean_bank_pauses_total: "a bank's trouble; what is due too long because of it is `LeanCallsWait`",
  lean_retention_rows_total: 'there may be nothing to delete; a failure is a `retention` line',
  lean_queue_jobs: 'how long the next job waits counts: `LeanIntakeWaits`',
  lean_sweep_finished_age_seconds:
    'one that is no longer in force grows old rightly; a failing one is `LeanSweepFails`',
  lean_operations_refused_total: 'each is an `operations_refused` line; the page only reads',
};

export function metricsTable(): string {
  const rules = readAlertRules();
  const rows = registeredMetrics().map(({ name, type, labelNames, help }) => {
    const alerts = alertsOn(name, rules).map((alert) => `\`${alert}\``);
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    const told = alerts.join(', ') || `none: ${withoutAlert[name] ?? '-'}`;
    return `| \`${name}\` | ${type}, ${unitOf(name)} | ${labels || '-'} | ${cell(help)} | ${told} |`;
  });
  return [
    '| metric | kind, unit | labels | what it counts | alerts, or why there is none |',
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

export function alertsOn(metric: string, rules: readonly AlertRule[]): string[] {
  return rules.filter((rule) => namesOf(rule).has(metric)).map(({ name }) => name);
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
