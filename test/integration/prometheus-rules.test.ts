// deploy/prometheus-rules.yaml and the dashboard: read by Debian's promtool, every alert seen to fire on what it is for
// and on nothing else, and no word in them that the service does not say.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { failureCodes } from '../../src/core/failure-codes.ts';
import { readmeText } from '../support/balancers.ts';
import { findProgram } from '../support/engines-binaries.ts';
import { alertsOn, withoutAlert } from '../support/metrics-document.ts';
import { longTests } from '../support/long-tests.ts';
import { root, runProcess } from '../support/processes.ts';
import {
  groupingOf,
  readAlertRules,
  registeredMetrics,
  rulesFile,
  seriesOf,
} from '../support/prometheus-rules.ts';
import { alertCases, healthy, type AlertCase } from '../fixtures/alert-cases.ts';

const promtool = findProgram('promtool', ['/usr/local/bin', '/opt/homebrew/bin']) ?? '';
const rules = readAlertRules();
/** What Prometheus itself adds to every series. */
const ofPrometheus = ['job', 'instance', 'le'];

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProcess({ command: [promtool, ...args], cwd: root, env: {} });
  return `${code}\n${stdout}${stderr}`;
}

interface PromtoolTest {
  readonly name: string;
  readonly interval: string;
  readonly input_series: readonly object[];
  readonly promql_expr_test: readonly object[];
}

function inputOf(series: AlertCase['series']) {
  return Object.entries({ ...healthy, ...series }).flatMap(([name, values]) =>
    values === null ? [] : [{ series: name, values }],
  );
}

/** Exactly these fire then; or, of one that is named, it does. */
function firing(at: string, alerts: readonly string[], named = '') {
  const selector = `alertstate="firing"${named === '' ? '' : `,alertname="${named}"`}`;
  return {
    expr: `group by (alertname) (ALERTS{${selector}})`,
    eval_time: at,
    exp_samples: alerts.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
  };
}

const goodDay: PromtoolTest = {
  name: 'a good day',
  interval: '1m',
  input_series: inputOf({}),
  promql_expr_test: [firing('2h', [])],
};

function alone({ alert, series, at, every = '1m', also = [] }: AlertCase): PromtoolTest {
  return {
    name: alert,
    interval: every,
    input_series: inputOf(series),
    promql_expr_test: [firing(at, [alert, ...also])],
  };
}

/** promtool takes half a second for each test, so in every run cases that do not touch each other's series share one. */
function together(cases: readonly AlertCase[]): PromtoolTest[] {
  const groups: AlertCase[][] = [];
  for (const one of cases) {
    const names = Object.keys(one.series);
    const fits = (group: readonly AlertCase[]) =>
      group.every(({ every, series }) => every === one.every && names.every((name) => !(name in series)));
    const group = groups.find(fits);
    if (group === undefined) groups.push([one]);
    else group.push(one);
  }
  return groups.map((group) => ({
    name: group.map(({ alert }) => alert).join(', '),
    interval: group[0]?.every ?? '1m',
    input_series: inputOf(Object.assign({}, ...group.map(({ series }) => series))),
    promql_expr_test: group.map(({ alert, at }) => firing(at, [alert], alert)),
  }));
}

describe('promtool', () => {
  it('reads the rules', async (context) => {
    context.skip(promtool === '', 'promtool is not on this machine');
    expect(await run('check', 'rules', rulesFile)).toMatch(/^0\n.*SUCCESS/s);
  });

  it('sees each alert fire on what it is for, none on a good day, and in a long run no other with it', async (context) => {
    context.skip(promtool === '', 'promtool is not on this machine');
    expect(alertCases.map(({ alert }) => alert).toSorted()).toEqual(rules.map(({ name }) => name).toSorted());
    const tests = [goodDay, ...(longTests ? alertCases.map(alone) : together(alertCases))];
    const dir = await mkdtemp(path.join(tmpdir(), 'alerts-'));
    context.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const file = path.join(dir, 'alerts.test.json');
    await writeFile(file, JSON.stringify({ rule_files: [rulesFile], evaluation_interval: '5m', tests }));
    expect(await run('test', 'rules', file)).toMatch(/^0\n.*SUCCESS/s);
  });
});

describe('every alert', () => {
  const metrics = registeredMetrics();

  it.each(rules)(
    '$name names series, labels and codes of this service, and a chapter of the README',
    (rule) => {
      const named = seriesOf(rule.expression);
      for (const { name, labels } of named) {
        if (name === 'up') continue;
        const metric = metrics.find((candidate) => candidate.name === name);
        expect(metric?.name ?? (rule.expression.includes(`${name}:`) ? name : undefined)).toBe(name);
        for (const label of [...labels, ...groupingOf(rule.expression)])
          expect([...(metric?.labelNames ?? []), ...ofPrometheus]).toContain(label);
      }
      expect(['page', 'ticket', 'info']).toContain(rule.severity);
      expect(rule.summary).not.toBe('');
      const words = rule.description.match(/\b[A-Z][A-Z_]+_[A-Z_]+\b/g) ?? [];
      const known = new Set([...Object.keys(failureCodes), ...overloadReasons, ...variables]);
      for (const word of words) expect(known).toContain(word);
      const codes = Object.keys(failureCodes);
      expect(codes.some((code) => rule.description.includes(code))).toBe(true);
      const [, anchor = ''] = rule.runbook.split('#');
      expect(anchorsOf(readmeText())).toContain(anchor);
    },
  );
});

it.each(registeredMetrics())(
  '$name has an alert, or a word on why it has none, and never both',
  ({ name }) => {
    const [alert] = alertsOn(name, rules);
    const why = withoutAlert[name];
    expect({ name, told: [alert, why].filter((one) => one !== undefined) }).toEqual({
      name,
      told: [alert ?? why],
    });
    expect(alert ?? why).toBeDefined();
    // What it points to is there.
    for (const [, named = ''] of (why ?? '').matchAll(/`(Lean\w+)`/g))
      expect(rules.map((rule) => rule.name)).toContain(named);
  },
);

it('links of alerts begin with the one text that is to be replaced, and the README says so', () => {
  const base = 'https://<YOUR REPOSITORY>';
  for (const { runbook } of rules) expect(runbook.startsWith(`${base}/README.md#`)).toBe(true);
  expect(readmeText()).toContain(`sed -i 's|${base}|`);
  expect(readmeText()).toContain('deploy/prometheus-rules.yaml');
});

it('the alert for a refused delivery says when Lean gives up', () => {
  const refused = rules.find(({ name }) => name === 'LeanDeliveryRefused');
  expect(refused?.description).toContain('1, 2, 5, 10, 60 and 180 minutes');
});

const overloadReasons = ['JOURNAL_FULL', 'NO_PLACE_LEFT'];
const variables = [
  'PROXY_PROTOCOL',
  'REDIS_URL',
  'TLS_TERMINATION',
  'TRUSTED_PROXIES',
  'JOURNAL_LIMIT_BYTES',
  'LEAN_CRL_FILE',
  'LEAN_RATE_LIMIT_PER_SECOND',
  'VERIFY_SHADOW',
];

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

const panelSchema = z.object({
  title: z.string().min(1),
  gridPos: z.object({ h: z.number(), w: z.number(), x: z.number(), y: z.number() }),
  targets: z.array(z.object({ expr: z.string().min(1) })).min(1),
});

describe('the dashboard', () => {
  const file = path.join(root, 'deploy/grafana-dashboard.json');
  const dashboard = z
    .looseObject({ title: z.string(), uid: z.string(), panels: z.array(panelSchema) })
    .parse(JSON.parse(readFileSync(file, 'utf8')));

  it('shows every metric of ours, and none that is not there', () => {
    const metrics = registeredMetrics();
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const shown = new Set<string>();
    for (const expression of expressions) {
      for (const { name, labels } of seriesOf(expression)) {
        const metric = metrics.find((candidate) => candidate.name === name);
        expect([name, metric?.name]).toEqual([name, name]);
        for (const label of labels) expect([...(metric?.labelNames ?? []), ...ofPrometheus]).toContain(label);
        shown.add(name);
      }
    }
    const left = metrics.filter(({ name }) => !shown.has(name)).map(({ name }) => name);
    expect(left).toEqual([]);
  });

  it('has no two panels in one place', () => {
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it('is accepted by promtool, expression by expression', async (context) => {
    context.skip(promtool === '', 'promtool is not on this machine');
    const dir = await mkdtemp(path.join(tmpdir(), 'dashboard-'));
    context.onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const asRules = dashboard.panels.flatMap(({ targets }, panel) =>
      targets.map(({ expr }, target) => ({
        record: `panel:${panel}:${target}`,
        expr: expr.replaceAll('$__rate_interval', '5m'),
      })),
    );
    const written = path.join(dir, 'rules.json');
    await writeFile(written, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
    expect(await run('check', 'rules', written)).toMatch(/^0\n.*SUCCESS/s);
  });
});
