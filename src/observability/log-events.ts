// Every line the service writes, by event: its loudness and the fields it may have, with units in their names.
// What is not listed cannot be logged. Never a field for a body, a person's name, an account number or a token.
import { failureCodes, type FailureCode, type FailureLevel } from '../core/failure-codes.ts';

/** `text` is cut at 200 characters, `line` (our own wording only) at 2,000. `?` marks a field that may be left out. */
export type FieldKind = 'text' | 'line' | 'number' | 'flag' | 'text?' | 'line?' | 'number?' | 'flag?';

interface EventFacts {
  /** Loudness when no failure code decides. */
  readonly level: FailureLevel | 'debug';
  readonly fields: Readonly<Record<string, FieldKind>>;
}

/** Fields that every event may have; `error` beside them is reduced to its code and a short message. */
const commonFields = { failure_code: 'text?' } as const satisfies Record<string, FieldKind>;

const eventTable = {
  // The process
  starting: { level: 'info', fields: { version: 'text?', node: 'text', config: 'line' } },
  config_warning: { level: 'warn', fields: { variable: 'text', problem: 'line' } },
  listening: { level: 'info', fields: { url: 'text?', opsUrl: 'text' } },
  shutdown: {
    level: 'info',
    fields: {
      phase: 'text',
      signal: 'text?',
      rows_left: 'number?',
      duration_ms: 'number?',
    },
  },
  /** Whoever reads the log did not keep up; the lines before this one have a gap. */
  lines_dropped: { level: 'warn', fields: { lines: 'number' } },
  start_failed: { level: 'error', fields: { problem: 'line?' } },
  crashed: { level: 'error', fields: {} },
  material_reloaded: {
    level: 'info',
    fields: { material: 'text', outcome: 'text', not_after: 'text?', days_left: 'number?' },
  },
  /** One for each certificate that a client's chain may end in. */
  trust_anchor: {
    level: 'info',
    fields: { subject: 'text', sha256: 'text', not_after: 'text', days_left: 'number' },
  },
  /** Whose word counts about callers: on their certificates and on their addresses. */
  caller_trust: {
    level: 'info',
    fields: {
      tls_ends_at: 'text',
      certificate_from: 'text',
      forwarded_headers: 'text?',
      proxy_protocol: 'text',
      trusted_proxies: 'line?',
    },
  },
  material_warning: {
    level: 'warn',
    fields: { material: 'text', problem: 'line', not_after: 'text?', days_left: 'number?' },
  },
  /** Somebody offered a wrong OPS_TOKEN; so often since the last line. */
  operations_refused: { level: 'warn', fields: { attempts: 'number', remote_address: 'text?' } },
  // The receiver
  /** `unlogged`: so many refused with the same outcome had no line since the last, because there were too many. */
  delivery: {
    level: 'info',
    fields: {
      outcome: 'text',
      http_status: 'number',
      body_bytes: 'number?',
      proof: 'text?',
      sequence: 'number?',
      verify_ms: 'number?',
      commit_ms: 'number?',
      duration_ms: 'number',
      certificate_sha256_prefix: 'text?',
      certificate_names: 'text?',
      certificate_reason: 'text?',
      certificate_shadow: 'text?',
      signature_shadow: 'text?',
      signature_reason: 'text?',
      overload_reason: 'text?',
      remote_address: 'text?',
      unlogged: 'number?',
    },
  },
  /** Once per certificate seen by VERIFY_SHADOW=certificate, in the words of LEAN_CLIENT_NAMES. */
  certificate_observed: {
    level: 'info',
    fields: {
      certificate_sha256: 'text',
      certificate_names: 'text',
      key_pin: 'text',
      not_after: 'text?',
      shadow: 'text',
      reason: 'text?',
    },
  },
  /** `unlogged`: so many of the same reason had no line since the last, because there were too many. */
  connection_refused: {
    level: 'warn',
    fields: { reason: 'text?', remote_address: 'text?', unlogged: 'number?' },
  },
  forward: {
    level: 'info',
    fields: {
      outcome: 'text',
      job_id: 'text?',
      deliveries: 'number?',
      duration_ms: 'number?',
    },
  },
  journal_state: { level: 'info', fields: { outcome: 'text', duration_ms: 'number?' } },
  installation: {
    level: 'info',
    fields: { outcome: 'text', installation_id: 'text?', expected_installation_id: 'text?' },
  },
  // The worker
  job: {
    level: 'info',
    fields: {
      queue: 'text',
      job_id: 'text',
      event_type: 'text?',
      operation: 'text?',
      outcome: 'text',
      attempt: 'number',
      deliveries: 'number?',
      events: 'number?',
      warned: 'number?',
      duration_ms: 'number',
    },
  },
  /** Deliveries that were set aside as they arrived, by the code that says why. */
  events_quarantined: { level: 'warn', fields: { events: 'number' } },
  lean_call: {
    level: 'info',
    fields: {
      operation: 'text',
      http_status: 'number?',
      outcome: 'text',
      attempt: 'number?',
      sync_id: 'text?',
      duration_ms: 'number',
      correlation_id: 'text?',
      trace_id: 'text?',
      retry_after_ms: 'number?',
    },
  },
  sync: {
    level: 'info',
    fields: {
      sync_id: 'text',
      outcome: 'text',
      reason: 'text?',
      calls: 'number?',
      accounts: 'number?',
      balances: 'number?',
      transactions: 'number?',
      identities: 'number?',
      beneficiaries: 'number?',
      direct_debits: 'number?',
      standing_orders: 'number?',
      scheduled_payments: 'number?',
      duration_ms: 'number?',
    },
  },
  /** Transactions the bank had called final say something else now. */
  immutable_changed: { level: 'error', fields: { sync_id: 'text', transactions: 'number' } },
  publish: {
    level: 'debug',
    fields: { outcome: 'text', changes: 'number?', position: 'text?', duration_ms: 'number?' },
  },
  reconcile: {
    level: 'info',
    fields: {
      outcome: 'text',
      events: 'number?',
      syncs: 'number?',
      steps: 'number?',
      duration_ms: 'number?',
    },
  },
  /** Which sweeps run in this deployment, and what they can bring back. */
  sweeps: { level: 'info', fields: { in_force: 'text', recovers: 'line' } },
  /** What only a sweep found, or why it could not look. */
  sweep: {
    level: 'info',
    fields: {
      sweep: 'text',
      outcome: 'text',
      found: 'number?',
      page: 'number?',
      unreadable: 'number?',
    },
  },
  /** Something that the application asked for: `picked_up`, `later`, `given_back`, `done`, `failed`. */
  request: {
    level: 'info',
    fields: {
      kind: 'text',
      outcome: 'text',
      request_id: 'text',
      rows: 'number?',
      duration_ms: 'number?',
    },
  },
  /** They could not be looked for. */
  requests: { level: 'warn', fields: { outcome: 'text' } },
  /** Whether requests are heard of at once; where they are not, they are looked for every few seconds. */
  request_listening: { level: 'info', fields: { outcome: 'text' } },
  /** A bank is left alone, or asked again. */
  bank_state: {
    level: 'info',
    fields: { bank: 'text', outcome: 'text', pause_ms: 'number?', steps: 'number?' },
  },
  /** Rows emptied or deleted because they had been kept long enough, by kind. */
  retention: {
    level: 'info',
    fields: {
      outcome: 'text',
      bodies: 'number?',
      event_keys: 'number?',
      changes: 'number?',
      batches: 'number?',
      steps: 'number?',
      results: 'number?',
      requests: 'number?',
      duration_ms: 'number?',
    },
  },
  queue_state: { level: 'info', fields: { queue: 'text', outcome: 'text', duration_ms: 'number?' } },
  database_state: { level: 'info', fields: { outcome: 'text', duration_ms: 'number?' } },
  migrate: { level: 'info', fields: { outcome: 'text', migration: 'text?', duration_ms: 'number?' } },
} as const satisfies Record<string, EventFacts>;

type EventTable = typeof eventTable;
export type LogEvent = keyof EventTable;

interface ValueOf {
  readonly text: string;
  readonly line: string;
  readonly number: number;
  readonly flag: boolean;
}
type Fields<Kinds> = {
  readonly [
    Name in keyof Kinds as Kinds[Name] extends keyof ValueOf ? Name : never
  ]: Kinds[Name] extends keyof ValueOf ? ValueOf[Kinds[Name]] : never;
} & {
  readonly [Name in keyof Kinds as Kinds[Name] extends keyof ValueOf ? never : Name]?:
    | (Kinds[Name] extends `${infer Kind extends keyof ValueOf}?` ? ValueOf[Kind] : never)
    | undefined;
};

/** What `logger.write(event, fields)` takes, per event. `error` may be anything that was thrown. */
export type LogEvents = {
  readonly [Event in LogEvent]: Fields<EventTable[Event]['fields']> &
    Fields<typeof commonFields> & { readonly error?: unknown };
};

/** Every field of an event with its kind, in the order of a line. */
export function fieldKinds(event: LogEvent): readonly (readonly [name: string, kind: FieldKind])[] {
  const known = kindsByEvent.get(event);
  if (known !== undefined) return known;
  const kinds = Object.entries<FieldKind>({ ...eventTable[event].fields, ...commonFields });
  kindsByEvent.set(event, kinds);
  return kinds;
}

/** Worked out once an event: a line is written for each delivery. */
const kindsByEvent = new Map<LogEvent, readonly (readonly [name: string, kind: FieldKind])[]>();

/** A known failure code, named by `failure_code` or by the outcome itself, decides how loud the line is. */
export function levelOf(event: LogEvent, facts: Readonly<Record<string, unknown>>): FailureLevel | 'debug' {
  const { failure_code: named, outcome } = facts;
  if (isFailureCode(named)) return failureCodes[named].level;
  return isFailureCode(outcome) ? failureCodes[outcome].level : eventTable[event].level;
}

function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(failureCodes, value);
}
