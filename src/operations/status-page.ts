// `/status` as one page of HTML: made on the server, without a script, and nothing in it comes from elsewhere. Pure.
import { html, type Html } from './html.ts';
import { codeLink, codeList } from './status-codes.ts';
import type { StatusReport } from './status-parts.ts';
import {
  certificateTable,
  concludedFlow,
  deliveryFlow,
  eventBacklog,
  failureTable,
  journalBacklog,
  known,
  queueTable,
  refusalTable,
  sweepTable,
  upkeepBacklog,
} from './status-sections.ts';
import { styleElement } from './status-style.ts';
import { duration, instant } from './status-words.ts';

interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: readonly Html[];
}

export function statusPage(report: StatusReport): string {
  const { role, readiness } = report;
  const sections = sectionsOf(report);
  const state = readiness.ready ? 'ready' : 'not ready';
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${state}: ${role}, Lean webhook receiver</title>
        ${styleElement}
      </head>
      <body>
        <header>
          <h1>Status of this ${roleName(role)}</h1>
          ${head(report)}
          <nav aria-label="Sections">
            <ul>
              ${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main>
          ${sections.map(
            ({ id, title, content }) =>
              html`<section aria-labelledby="${id}">
                <h2 id="${id}">${title}</h2>
                ${content}
              </section> `,
          )}
        </main>
      </body>
    </html> `;
  return page.markup;
}

function roleName(role: string): string {
  return role === 'all' ? 'receiver and worker in one process' : role;
}

function head({ readiness, installation, version, at, upSeconds }: StatusReport): Html {
  const failing = Object.entries(readiness.checks).filter(([, { ok }]) => !ok);
  const id = installation.kind === 'known' ? (installation.value ?? 'not known yet') : 'not available';
  return html`<p class="state">
      ${
        readiness.ready
          ? html`<span class="good">Ready.</span> Every check of this process is well.`
          : html`<span class="bad">Not ready:</span> ${failing.map(
                ([name, { code }], index) =>
                  html`${index === 0 ? '' : ', '}${name} ${code === undefined ? '' : codeLink(code)}`,
              )}`
      }
    </p>
    <dl class="facts">
      <dt>As of</dt>
      <dd>${instant(at)}; load the page again for new figures</dd>
      <dt>Running for</dt>
      <dd>${duration(upSeconds)}</dd>
      <dt>Version</dt>
      <dd>${version}</dd>
      <dt>Installation</dt>
      <dd><code>${id}</code></dd>
    </dl>`;
}

function sectionsOf(report: StatusReport): Section[] {
  const { receiver, worker, queues, certificates, at } = report;
  return [
    {
      id: 'flow',
      title: 'The last hour',
      content: [
        ...(receiver === null ? [] : [deliveryFlow(receiver.flow)]),
        ...(worker === null
          ? []
          : [known(worker.concluded, { of: 'Postgres', show: (counts) => concludedFlow(counts, at) })]),
      ],
    },
    {
      id: 'backlog',
      title: 'What waits',
      content: [
        ...(receiver === null ? [] : [journalBacklog(receiver.journal)]),
        ...(worker === null
          ? []
          : [
              known(worker.backlog, { of: 'Postgres', show: eventBacklog }),
              known(worker.upkeep, { of: 'Postgres', show: upkeepBacklog }),
            ]),
        known(queues, { of: 'Redis', show: queueTable }),
        html`<p class="soft">The jobs themselves, by id and size: <a href="/queues/">/queues</a>.</p>`,
      ],
    },
    {
      id: 'failures',
      title: 'Failures of the last 24 hours',
      content: [
        ...(receiver === null ? [] : [refusalTable(receiver)]),
        ...(worker === null ? [] : [known(worker.failures, { of: 'Postgres', show: failureTable })]),
      ],
    },
    { id: 'certificates', title: 'Certificates', content: [certificateTable(certificates, at)] },
    ...(worker === null
      ? []
      : [
          {
            id: 'sweeps',
            title: 'Sweeps',
            content: [known(worker.sweeps, { of: 'Postgres', show: sweepTable })],
          },
        ]),
    {
      id: 'codes',
      title: 'What the codes mean',
      content: [
        codeList(codesOf(report)),
        html`<p class="soft">All of them: the README, chapter “Failure codes”.</p>`,
      ],
    },
  ];
}

function codesOf({ readiness, receiver, worker }: StatusReport): string[] {
  return [
    ...Object.values(readiness.checks).flatMap(({ code }) => code ?? []),
    ...(receiver?.refusals.map(({ outcome }) => outcome) ?? []),
    ...(worker?.failures.kind === 'known' ? worker.failures.value.map(({ code }) => code) : []),
    ...(worker?.sweeps.kind === 'known'
      ? worker.sweeps.value.flatMap(({ failureCode }) => failureCode ?? [])
      : []),
  ];
}
