// Sends webhooks as Lean does: mTLS with its own certificate, signed raw bodies, only 200 within ten seconds counts,
// six repeats at Lean's documented minutes. Keeps what became of every delivery.
import { createHmac } from 'node:crypto';
import { Agent, request } from 'undici';
import { createRealClock, type SimulatorClock } from './clock.ts';
import { createRandom } from './random.ts';

/** Minutes after the first attempt at which Lean tries again; then it gives up. docs.leantech.me/docs/webhooks */
export const leanRetryMinutes: readonly number[] = [1, 2, 5, 10, 60, 180];
const leanTimeoutMs = 10_000;

export interface WebhookSenderOptions {
  /** The whole address, path included. */
  url: string;
  /** The client certificate to present; null presents none. */
  identity: { chainPem: string; keyPem: string } | null;
  /** Trust anchor of the receiver's certificate; absent where it is plain HTTP. */
  ca?: string;
  /** Signs with it; null sends no `lean-signature`. */
  secret: string | null;
  /** Default: the machine's. */
  clock?: SimulatorClock;
  /** Kept-alive connections at most; default 4. */
  connections?: number;
  /** Default: Lean's ten seconds. Always real milliseconds. */
  timeoutMs?: number;
  /** Default: Lean's; `[]` never repeats. */
  retryMinutes?: readonly number[];
  /** Default `application/json`. */
  contentType?: string;
  /** Events that never arrive, however often Lean believes to send them. Default: none. */
  loss?: WebhookLoss;
  /** Called after every attempt. */
  onAttempt?: (record: DeliveryRecord, attempt: DeliveryAttempt) => void;
}

/** Which events are lost depends on the seed and their ids alone, not on the order: all copies of an event are. */
export interface WebhookLoss {
  seed: string;
  /** The share that is lost, 0 to 1. */
  rate: number;
  /** Another share for single types: `{ 'entity.created': 1 }` loses every one of them. */
  types?: Readonly<Record<string, number>>;
}

export interface OutgoingEvent {
  eventId: string;
  /** Needed where `loss` has shares for types. */
  type?: string;
  body: string | Uint8Array;
}

export interface DeliveryAttempt {
  /** On the sender's clock, ISO 8601 UTC. */
  at: string;
  /** Null when no HTTP answer came; `error` says why. */
  status: number | null;
  /** Of real time until the answer or the failure. */
  ms: number;
  reply: string | null;
  error: string | null;
}

/** One delivery as Lean sees it: an event, tried until acknowledged or given up. */
export interface DeliveryRecord {
  eventId: string;
  body: string | Uint8Array;
  attempts: DeliveryAttempt[];
  acked: boolean;
  /** It was lost on the way: no attempt was made. */
  lost: boolean;
}

export interface WebhookSender {
  /** In order of the first attempts. */
  readonly history: readonly DeliveryRecord[];
  /** Resolves when the event is acknowledged or given up. Never rejects because of the receiver. */
  send(event: OutgoingEvent): Promise<DeliveryRecord>;
  /** Sends all in this order, at most `concurrency` (default: the connections) under way at a time. */
  sendAll(events: readonly OutgoingEvent[], options?: { concurrency?: number }): Promise<DeliveryRecord[]>;
  /** Aborts what is under way and waiting. */
  close(): Promise<void>;
}

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { url, identity, ca, connections = 4, timeoutMs = leanTimeoutMs } = options;
  const { clock = createRealClock(), retryMinutes = leanRetryMinutes } = options;
  const agent = new Agent({
    connections,
    pipelining: 1,
    connect: {
      timeout: timeoutMs,
      ...(ca === undefined ? {} : { ca }),
      ...(identity ? { cert: identity.chainPem, key: identity.keyPem } : {}),
    },
  });
  const stopping = new AbortController();
  const history: DeliveryRecord[] = [];

  async function attempt(record: DeliveryRecord): Promise<DeliveryAttempt> {
    const at = new Date(clock.now()).toISOString();
    const startedAt = performance.now();
    const elapsed = () => Math.round(performance.now() - startedAt);
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(timeoutMs)]);
      const response = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal,
        headers: headersOf(options, record.body),
        body: record.body,
      });
      const reply = await response.body.text();
      return { at, status: response.statusCode, ms: elapsed(), reply, error: null };
    } catch (error) {
      return { at, status: null, ms: elapsed(), reply: null, error: describe(error) };
    }
  }

  async function send(event: OutgoingEvent): Promise<DeliveryRecord> {
    const { eventId, body } = event;
    const lost = options.loss !== undefined && isLost(event, options.loss);
    const record: DeliveryRecord = { eventId, body, attempts: [], acked: false, lost };
    history.push(record);
    if (lost) return record;
    const firstMs = clock.now();
    for (const minutes of [0, ...retryMinutes]) {
      try {
        await clock.waitUntil(firstMs + minutes * 60_000, stopping.signal);
      } catch {
        return record;
      }
      const made = await attempt(record);
      record.attempts.push(made);
      record.acked = made.status === 200;
      options.onAttempt?.(record, made);
      if (record.acked || stopping.signal.aborted) return record;
    }
    return record;
  }

  return {
    history,
    send,
    async sendAll(events, { concurrency = connections } = {}) {
      const waiting = events.values();
      const records: DeliveryRecord[] = [];
      const lane = async () => {
        for (const event of waiting) records.push(await send(event));
      };
      await Promise.all(Array.from({ length: concurrency }, lane));
      return records;
    },
    async close() {
      stopping.abort(new Error('the sender was closed'));
      await agent.destroy();
    },
  };
}

/** Whether a sender with this loss never delivers the event. */
export function isLost({ eventId, type }: Omit<OutgoingEvent, 'body'>, loss: WebhookLoss): boolean {
  const rate = (type === undefined ? undefined : loss.types?.[type]) ?? loss.rate;
  return createRandom(`${loss.seed}/lost/${eventId}`).chance(rate);
}

/** `sha512=` and lower-case hex of HMAC-SHA512 over the raw body, as Lean signs. */
export function signBody(body: string | Uint8Array, secret: string): string {
  return `sha512=${createHmac('sha512', secret).update(body).digest('hex')}`;
}

function headersOf(options: WebhookSenderOptions, body: string | Uint8Array): Record<string, string> {
  const { secret, contentType = 'application/json' } = options;
  const signature: Record<string, string> =
    secret === null ? {} : { 'lean-signature': signBody(body, secret) };
  return { 'content-type': contentType, ...signature };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? `${String(error.code)}: ` : '';
  return code + error.message;
}
