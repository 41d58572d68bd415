// What people read about Lean, written from the tables the program itself goes by: every event, every error, every
// warning, and which sweep is in force where. Pure: tables in, text out.
import { failureCodes } from '../../src/core/failure-codes.ts';
import { retrySchedules, type RetryClass } from '../../src/core/retry-policy.ts';
import { warningMeanings } from '../../src/core/warnings.ts';
import {
  failureOfNetwork,
  failureOfReply,
  leanErrorRows,
  unreadableReply,
  type LeanErrorPlace,
  type LeanFailure,
} from '../../src/lean/lean-failures.ts';
import { defaultLimits } from '../../src/lean/lean-http.ts';
import { wireReplySchema } from '../../src/lean/wire-reply.ts';
import { eventTypes } from '../../src/worker/event-dispatch.ts';
import { planSweeps } from '../../src/worker/sweep-plan.ts';

export function leanEventsTable(): string {
  return table(
    ['type', 'what the service does'],
    [
      ...[...eventTypes].map(([type, { does }]) => [`\`${type}\``, does]),
      ['any other `type`', 'As the recorded ones: kept, marked `ignored`, announced (`event.recorded`).'],
      [
        'no `type` (callbacks of 2020)',
        `Set aside in quarantine, \`EVENT_WITHOUT_TYPE\`. ${failureCodes.EVENT_WITHOUT_TYPE.cure}`,
      ],
    ],
  );
}

type Judged = Pick<LeanFailure, 'code' | 'action' | 'retryClass'>;

const places: Readonly<Record<LeanErrorPlace, string>> = {
  status: '**`status` of the body**, with any HTTP status below 500, 200 included',
  granular: '**`FAILED` inside HTTP 200**, by `status_detail.granular_status_code`',
  http: '**HTTP status alone**, where the body says nothing that is known',
};

const byHttp = (httpStatus: number): Judged => failureOfReply({ httpStatus, reply: null });

/** Three tables by where Lean says it, and what has no words of Lean's. */
export function leanErrorsTable(): string {
  const failed = wireReplySchema.parse({ status: 'FAILED' });
  const further: Readonly<Record<LeanErrorPlace, readonly (readonly [string, Judged])[]>> = {
    status: [],
    granular: [['any other code, or none', failureOfReply({ httpStatus: 200, reply: failed })]],
    http: [
      ['500 to 599', byHttp(500)],
      ['any other from 300 on', byHttp(404)],
      ['200 without the data it should hold', unreadableReply(null)],
      ['no answer in time', failureOfNetwork('UND_ERR_HEADERS_TIMEOUT')],
      ['no connection: DNS, refused, reset, TLS', failureOfNetwork('ECONNREFUSED')],
      [
        `more than ${defaultLimits.replyBytes / 1024 ** 2} MiB`,
        failureOfNetwork('UND_ERR_RES_EXCEEDED_MAX_SIZE'),
      ],
    ],
  };
  const sections = (['status', 'granular', 'http'] as const).map((place) => {
    const rows = leanErrorRows.filter((row) => row.place === place);
    const named = rows.map((row): readonly [string, Judged] => [`\`${row.says}\``, row]);
    return [
      places[place],
      table(
        ['Lean says', 'code', 'what the service does'],
        [...named, ...further[place]].map(([says, judged]) => [says, `\`${judged.code}\``, deedOf(judged)]),
      ),
    ].join('\n\n');
  });
  return sections.join('\n\n');
}

function deedOf({ code, action, retryClass }: Judged): string {
  switch (action) {
    case 'retry':
      return `Asked again: ${scheduleOf(retryClass ?? 'lean_server')}`;
    case 'stop_entity':
      return code === 'LEAN_ENTITY_UNKNOWN'
        ? 'The entity is `ended` and nothing more is fetched for it; `entity.ended` tells the application, once'
        : 'The entity is `action_required` and nothing more is fetched for it until its customer has acted; `entity.action_required` tells the application, with the reconnect id where Lean gave one';
    case 'stop_alert':
      return `Somebody here must act, so it is an \`error\` in the log; asked again all the same: ${scheduleOf('lean_refusal')}`;
    case 'give_up':
      return 'This one call is given up; the sync’s other calls go on';
  }
}

const units = [
  [86_400_000, 'day', 'days'],
  [3_600_000, 'h', 'h'],
  [60_000, 'min', 'min'],
  [1_000, 's', 's'],
] as const;

function scheduleOf(retryClass: RetryClass): string {
  const { floorMs, firstMs, capMs, lastsMs } = retrySchedules[retryClass];
  const [first, later] = [floorMs + firstMs, floorMs + capMs];
  const rising = later > first ? `, later within ${spanOf(later)}` : '';
  return `within ${spanOf(first)}${rising}, for at least ${spanOf(lastsMs)}`;
}

/** In the largest unit that says it without rounding much; never less than it is, but for a twentieth. */
function spanOf(ms: number): string {
  const [unitMs, one, many] =
    units.find(([size]) => ms >= 2 * size || (ms >= size && isNearly(ms / size))) ?? units[3];
  const count = isNearly(ms / unitMs) ? Math.round(ms / unitMs) : Math.ceil(ms / unitMs);
  return `${count} ${count === 1 ? one : many}`;
}

function isNearly(count: number): boolean {
  return Math.abs(count - Math.round(count)) < count / 20;
}

export function warningsTable(): string {
  return table(
    ['word', 'what it says of the row'],
    Object.entries(warningMeanings).map(([word, means]) => [`\`${word}\``, means]),
  );
}

/** Per region and credentials, in the v2 dialect: v1 has the same but for refreshes. */
export function sweepsTable(): string {
  const staleHours = 24;
  const regions = [
    ['ae', 'UAE'],
    ['sa', 'Saudi Arabia'],
  ] as const;
  const rows = regions.flatMap(([region, name]) =>
    [true, false].map((hasClientSecret) => {
      const plan = planSweeps({ region, hasClientSecret, apiVersion: 'v2', staleHours });
      const credentials = hasClientSecret ? 'app token and `LEAN_CLIENT_SECRET`' : 'app token';
      const hours = `${staleHours} h`;
      // A default in its place would be written down as if it were fixed.
      if (!plan.recovers.includes(hours)) throw new Error(`"${plan.recovers}" does not say ${hours}`);
      const recovers = plan.recovers.replace(hours, '`SYNC_STALE_HOURS`');
      return [name, credentials, plan.inForce.map((sweep) => `\`${sweep}\``).join(', '), recovers];
    }),
  );
  return table(['region', 'credentials', 'sweeps', 'what they bring back'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [tableLine(head), `|${'---|'.repeat(head.length)}`, ...rows.map(tableLine)].join('\n');
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
