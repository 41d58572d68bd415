// Shows events to an operator: a table of them, or one with its history. A body is opened only when it is asked for.
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { textTable } from '../core/text-table.ts';
import { readKeyRing } from '../sealing/key-ring.ts';
import { open } from '../sealing/seal.ts';
import { listEvents, readEventInFull, type EventState } from '../store/event-list-store.ts';
import {
  numberOption,
  onlyOperand,
  refuseOperands,
  type CommandCall,
  type OperatorContext,
} from './operator-command.ts';
import { withDatabase } from './operator-database.ts';
import { readFilter } from './operator-event-filter.ts';
import { factLines, oneLine, redacted, safeJson } from './operator-output.ts';

const defaultLimit = 50;

export const listOptions = { limit: `at most so many, the newest; ${defaultLimit} when left out` } as const;
export const showFlags = {
  body: 'the body too, as it came, opened with PAYLOAD_KEYS: it holds personal data',
} as const;

/** The exit code. */
export async function runList(
  call: CommandCall,
  context: OperatorContext,
  rules: { readonly states: readonly EventState[] | undefined; readonly allowed: readonly EventState[] },
): Promise<number> {
  refuseOperands(call);
  const filter = readFilter(call, { ...rules, now: new Date() });
  const limit = numberOption(call, { name: 'limit', fallback: defaultLimit, min: 1, max: 1_000 });
  const events = await withDatabase(context, (database) => listEvents(database, { filter, limit }));
  if (call.json) context.write(safeJson(events));
  else
    context.write(
      events.length === 0 ? 'no such event' : textTable(events.map(listed), { whole: ['event_key'] }),
    );
  return 0;
}

type Listed = Awaited<ReturnType<typeof listEvents>>[number];

function listed(event: Listed) {
  return {
    received_at: event.received_at.toISOString(),
    state: event.state,
    failure_code: event.failure_code ?? '',
    type: event.type ?? '',
    event_key: event.event_key,
    entity_id: event.entity_id ?? '',
    deliveries: event.delivery_count,
    replays: event.replay_count,
  };
}

/** The exit code: 1 for an event that is in trouble. Throws EVENT_UNKNOWN, PAYLOAD_KEY_MISSING or PAYLOAD_UNREADABLE. */
export async function runShow(call: CommandCall, context: OperatorContext): Promise<number> {
  const eventKey = onlyOperand(call, 'key of an event');
  const found = await withDatabase(context, (database) => readEventInFull(database, eventKey));
  if (found === null) throw new AppError('EVENT_UNKNOWN', `no event ${oneLine(eventKey)}`);
  const { body: sealed, ...event } = found.event;
  const opened = sealed === null ? null : describeBody(call, { config: context.config, eventKey, sealed });
  if (call.json) {
    context.write(safeJson({ ...event, body: opened, history: found.history }));
  } else {
    context.write(factLines(event));
    if (found.history.length > 0) context.write(`\n${textTable(found.history.map(printableHistory))}`);
    context.write(`\n${opened === null ? 'its body is gone' : `body:\n${safeJson(opened, 2)}`}`);
  }
  return event.state === 'failed' || event.state === 'quarantined' ? 1 : 0;
}

type Former = NonNullable<Awaited<ReturnType<typeof readEventInFull>>>['history'][number];

function printableHistory({ concluded_at: concludedAt, at, ...former }: Former) {
  return { ...former, concluded_at: concludedAt.toISOString(), changed_at: at.toISOString() };
}

interface SealedBody {
  readonly config: Config;
  readonly eventKey: string;
  readonly sealed: Uint8Array;
}

/** Without `--body` a missing key is no reason not to show the rest. */
function describeBody({ flags }: CommandCall, { config, eventKey, sealed }: SealedBody): unknown {
  const { PAYLOAD_KEYS: keysBase64, PAYLOAD_SEALING: sealing } = config;
  try {
    const bytes = open(
      readKeyRing({ keysBase64, sealing }),
      { purpose: 'event', recordId: eventKey },
      sealed,
    );
    return flags.has('body') ? bodyOf(bytes) : redactedBody(bytes);
  } catch (error) {
    if (flags.has('body') || !(error instanceof AppError)) throw error;
    return `<${sealed.length} bytes, ${error.code}>`;
  }
}

/** Text as it came, also where it is not JSON; other bytes as base64. */
function bodyOf(bytes: Uint8Array): unknown {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

function redactedBody(bytes: Uint8Array): unknown {
  try {
    return redacted(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return `<${bytes.length} bytes, not JSON>`;
  }
}
