// The sections of the status page, one function each: from figures to tables. Pure; a part that is away says so.
import type { QueueDepth } from '../queue/queue-depth.ts';
import type { Backlog } from '../store/backlog-store.ts';
import type { ConcludedCount, FailureCount } from '../store/status-store.ts';
import type { SweepProgress } from '../store/sweep-store.ts';
import type { Upkeep } from '../store/upkeep-store.ts';
import { flowSlotMs, type DeliverySlot } from './delivery-flow.ts';
import { html, type Html } from './html.ts';
import { codeLink } from './status-codes.ts';
import {
  backlogLimit,
  countLimit,
  shownSlots,
  type CertificateFigure,
  type JournalFigures,
  type Part,
  type ReceiverPart,
} from './status-parts.ts';
import { clockTime, count, duration, instant, mebibytes } from './status-words.ts';

/** Of the page, not of the figures: what stands where a part is away. */
export function known<Value>(
  part: Part<Value>,
  { of, show }: { readonly of: 'Redis' | 'Postgres'; readonly show: (value: Value) => Html },
): Html {
  return part.kind === 'known'
    ? show(part.value)
    : html`<p class="bad">Not available: ${of} did not answer within 2 s.</p>`;
}

interface Column {
  readonly title: string;
  readonly isNumber?: boolean;
  /** Left out on a phone. */
  readonly isWide?: boolean;
}

interface Table {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first of a row is its heading. */
  readonly rows: readonly (readonly (Html | string)[])[];
  readonly none: string;
}

function classOf({ isNumber = false, isWide = false }: Column): string {
  return [...(isNumber ? ['number'] : []), ...(isWide ? ['wide'] : [])].join(' ');
}

function table({ caption, columns, rows, none }: Table): Html {
  if (rows.length === 0) return html`<p>${none}</p>`;
  const row = (values: readonly (Html | string)[]) =>
    html`<tr>
      ${values.map((value, index) =>
        index === 0
          ? html`<th scope="row">${value}</th>`
          : html`<td class="${classOf(columns[index] ?? { title: '' })}">${value}</td>`,
      )}
    </tr>`;
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <thead>
      <tr>
        ${columns.map((column) => html`<th scope="col" class="${classOf(column)}">${column.title}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(row)}
    </tbody>
  </table>`;
}

const perSlot = 'one row for 5 minutes, from the time shown (UTC), the one under way first';

interface FlowTable {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly slots: readonly { readonly startsMs: number; readonly numbers: readonly number[] }[];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}

function cells(numbers: readonly number[]): Html[] {
  return numbers.map((number) => html`<td class="number">${count(number)}</td>`);
}

function flowTable({ caption, columns, slots }: FlowTable): Html {
  const most = Math.max(1, ...slots.map(({ numbers }) => sum(numbers)));
  const bar = (numbers: readonly number[]) =>
    html`<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect width="${((100 * sum(numbers)) / most).toFixed(1)}" height="10" />
    </svg>`;
  const totals = columns.map((_, column) => sum(slots.map(({ numbers }) => numbers[column] ?? 0)));
  return html`<table class="flow">
    <caption>
      ${caption}: ${perSlot}
    </caption>
    <thead>
      <tr>
        <th scope="col">from</th>
        ${columns.map((title) => html`<th scope="col" class="number">${title}</th>`)}
        <td class="bar"></td>
      </tr>
    </thead>
    <tbody>
      <tr class="total">
        <th scope="row">last hour</th>
        ${cells(totals)}
        <td class="bar"></td>
      </tr>
      ${slots.toReversed().map(
        ({ startsMs, numbers }) =>
          html`<tr>
            <th scope="row">${clockTime(new Date(startsMs))}</th>
            ${cells(numbers)}
            <td class="bar">${bar(numbers)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function deliveryFlow(flow: readonly DeliverySlot[]): Html {
  return flowTable({
    caption: 'Deliveries answered by this receiver',
    columns: ['accepted', 'refused'],
    slots: flow.map(({ startsMs, accepted, refused }) => ({ startsMs, numbers: [accepted, refused] })),
  });
}

const eventStates = ['processed', 'ignored', 'quarantined', 'failed'] as const;
const syncStates = ['done', 'failed'] as const;

export function concludedFlow(counts: readonly ConcludedCount[], now: Date): Html {
  // The database's clock may be a little ahead of ours.
  const latestMs = Math.max(now.getTime(), ...counts.map(({ slotStartsAt }) => slotStartsAt.getTime()));
  const first = Math.floor(latestMs / flowSlotMs) - (shownSlots - 1);
  const starts = Array.from({ length: shownSlots }, (_, index) => (first + index) * flowSlotMs);
  const numberOf = (what: ConcludedCount['what'], state: string, startsMs: number) =>
    counts.find((one) => one.what === what && one.state === state && one.slotStartsAt.getTime() === startsMs)
      ?.count ?? 0;
  const slotsOf = (what: ConcludedCount['what'], states: readonly string[]) =>
    starts.map((startsMs) => ({ startsMs, numbers: states.map((state) => numberOf(what, state, startsMs)) }));
  const countOf = (what: ConcludedCount['what'], state?: string) =>
    sum(
      counts.filter((one) => one.what === what && (state ?? one.state) === one.state).map((one) => one.count),
    );
  // As the limit is set: to the events of one state, and to all syncs.
  const isCut =
    eventStates.some((state) => countOf('events', state) >= countLimit) || countOf('syncs') >= countLimit;
  return html`<div class="pair">
      ${flowTable({
        caption: 'Events concluded by all workers',
        columns: eventStates,
        slots: slotsOf('events', eventStates),
      })}${flowTable({
        caption: 'Syncs ended on all workers',
        columns: syncStates,
        slots: slotsOf('syncs', syncStates),
      })}
    </div>
    ${isCut ? html`<p class="soft">Of one kind the latest ${count(countLimit)} are counted: earlier rows may show less than there was.</p>` : ''}`;
}

export function journalBacklog(journal: JournalFigures): Html {
  const { deliveries, bytes, limitBytes, oldestSeconds, secondsUntilFull, batchesOutstanding } = journal;
  return facts([
    ['In the journal', `${count(deliveries)} deliveries, ${mebibytes(bytes)} of ${mebibytes(limitBytes)}`],
    ['Oldest of them', deliveries === 0 ? 'none waits' : `${duration(oldestSeconds)} old`],
    [
      'Full',
      Number.isFinite(secondsUntilFull)
        ? `in ${duration(secondsUntilFull)} at this rate`
        : 'not in sight: it is not filling',
    ],
    ['On the way to Postgres', `${count(batchesOutstanding)} batches`],
  ]);
}

export function eventBacklog({ open, oldestOpenSeconds, quarantined, failed }: Backlog): Html {
  return facts([
    ['Open events', `${bounded(open)} not concluded yet`],
    ['Oldest open event', open === 0 ? 'none waits' : `received ${duration(oldestOpenSeconds)} ago`],
    ['In quarantine', `${bounded(quarantined)} quarantined, ${bounded(failed)} failed`],
  ]);
}

export function upkeepBacklog(upkeep: Upkeep): Html {
  const { oldestDueStepSeconds, oldestUnpublishedSeconds, actionRequired } = upkeep;
  return facts([
    ['Calls to Lean', oldestDueStepSeconds === 0 ? 'none is late' : `${duration(oldestDueStepSeconds)} late`],
    [
      'Change feed',
      oldestUnpublishedSeconds === 0
        ? 'up to date'
        : `oldest change waits ${duration(oldestUnpublishedSeconds)} for its number`,
    ],
    ['Connections whose customer must act', bounded(actionRequired)],
  ]);
}

function bounded(value: number): string {
  return value >= backlogLimit ? `${count(backlogLimit)} or more` : count(value);
}

function facts(rows: readonly (readonly [name: string, value: Html | string])[]): Html {
  return html`<dl class="facts">
    ${rows.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

export function queueTable(queues: readonly QueueDepth[]): Html {
  const number = { isNumber: true };
  return table({
    caption: 'Jobs in Redis, by queue and state',
    columns: [
      { title: 'queue' },
      { title: 'waiting', ...number },
      { title: 'active', ...number },
      { title: 'delayed', ...number },
      { title: 'failed', ...number },
      { title: 'next one waits', ...number },
    ],
    rows: queues.map(({ queueName, waiting, active, delayed, failed, oldestSeconds }) => [
      queueName,
      ...[waiting, active, delayed, failed].map(count),
      waiting === 0 ? '-' : duration(oldestSeconds),
    ]),
    none: 'There are no queues yet.',
  });
}

export function refusalTable({ refusals }: ReceiverPart): Html {
  return table({
    caption: 'Requests refused by this receiver in the last 24 hours, or since it started',
    columns: [{ title: 'code' }, { title: 'requests', isNumber: true }],
    rows: refusals.map(({ outcome, count: number }) => [codeLink(outcome), count(number)]),
    none: 'This receiver has refused nothing in the last 24 hours, or since it started.',
  });
}

export function failureTable(failures: readonly FailureCount[]): Html {
  return table({
    caption: 'Events that came in the last 24 hours and could not be applied, and syncs that failed in them',
    columns: [{ title: 'code' }, { title: 'what' }, { title: 'how many', isNumber: true }],
    rows: failures.map(({ code, what, count: number }) => [codeLink(code), what, bounded(number)]),
    none: 'Nothing has failed in the last 24 hours.',
  });
}

const materials: Readonly<Record<string, string>> = {
  server_certificate: 'our own, shown to Lean by this receiver',
  lean_chain: "Lean's chain, by which its certificate is judged",
  lean_crl: "Lean's list of revoked certificates",
  lean_client: 'our own, shown to Lean when it is called',
};

const secondsInDay = 86_400;
const listWarningDays = 7;
const warningDays = 30;

export function certificateTable(certificates: readonly CertificateFigure[], now: Date): Html {
  return table({
    caption: 'Certificates and revocation lists in use by this process, the first to end first',
    columns: [
      { title: 'certificate' },
      { title: 'SHA-256 begins', isWide: true },
      { title: 'ends (UTC)' },
      { title: 'days left', isNumber: true },
    ],
    rows: certificates.map(({ material, sha256, secondsLeft }) => {
      const days = Math.floor(secondsLeft / secondsInDay);
      const isNear = days < (material === 'lean_crl' ? listWarningDays : warningDays);
      const ends = new Date(now.getTime() + secondsLeft * 1000).toISOString().slice(0, 10);
      return [
        materials[material] ?? material,
        sha256 === null ? '-' : html`<code>${sha256}</code>`,
        html`<time class="day" datetime="${ends}">${ends}</time>`,
        isNear ? html`<span class="bad">${count(days)}, renew it</span>` : count(days),
      ];
    }),
    none: 'This process uses no certificate of its own.',
  });
}

export function sweepTable(sweeps: readonly SweepProgress[]): Html {
  return table({
    caption: 'Sweeps, which look for what no webhook has brought',
    columns: [
      { title: 'sweep' },
      { title: 'last round ended' },
      { title: 'read up to', isWide: true },
      { title: 'found ever', isNumber: true },
      { title: 'failures in a row', isNumber: true },
    ],
    rows: sweeps.map(({ sweep, finishedAt, coveredUntil, found, failuresInARow, failureCode }) => [
      sweep,
      finishedAt === null ? 'not yet' : instant(finishedAt),
      coveredUntil === null ? '-' : instant(coveredUntil),
      count(Number(found)),
      failureCode === null
        ? count(failuresInARow)
        : html`<span class="bad">${count(failuresInARow)}</span> ${codeLink(failureCode)}`,
    ]),
    none: 'No sweep is set up in this deployment.',
  });
}
