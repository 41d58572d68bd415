// What goes wrong at Lean, on demand: planned faults meet the next calls that match, each so often as asked.

export type Fault =
  /** Any HTTP error with Lean's error body; `status` 500 and `INTERNAL_SERVER_ERROR` are the commonest. */
  | { kind: 'error'; httpStatus: number; status: string; message?: string; headers?: Record<string, string> }
  /** Any body at all. */
  | { kind: 'reply'; httpStatus: number; body: string; headers?: Record<string, string> }
  /** 429; `retryAfter` in seconds or as an HTTP date. */
  | { kind: 'rate-limit'; retryAfter?: string }
  /** The usual answer, later. */
  | { kind: 'delay'; ms: number }
  /** PENDING now; the usual answer from the results endpoint once `finishResults` was called. */
  | { kind: 'pending'; httpStatus?: 200 | 202 }
  /** HTTP 200 with status FAILED, as a bank's trouble is told. */
  | { kind: 'failed'; granularStatusCode: string; message?: string; data?: 'null' | 'absent' }
  /** HTTP 200 with any other status and no data: CONSENT_EXPIRED, PROCESSING_STARTED. */
  | { kind: 'status'; status: string; message?: string }
  /** HTTP 200 with status RECONNECT_REQUIRED; `results_id` is the reconnect id (v1: in the payload). */
  | { kind: 'reconnect-required' }
  /** A page of the network in front of Lean, in HTML. */
  | { kind: 'gateway'; httpStatus: 502 | 503 | 504 }
  /** HTTP 200 and half of the usual JSON. */
  | { kind: 'bad-json' }
  /** Half of the usual answer, then the connection is reset. */
  | { kind: 'cut' }
  /** The usual answer, its body in eight pieces over `ms`. */
  | { kind: 'slow'; ms: number }
  /** The request is read and nothing is ever answered. */
  | { kind: 'half-open' }
  /** The connection is reset (RST) in place of an answer. */
  | { kind: 'reset' }
  /** The bank's data are refreshed just before the usual answer, so `refreshed_at` moves between two pages. */
  | { kind: 'refresh' };

export interface PlannedFault {
  fault: Fault;
  /** Default: any. */
  method?: string;
  /** Tested against path and query; default: any. */
  path?: RegExp;
  /** Tested against the request's body, where v1 has its ids; default: any. */
  body?: RegExp;
  /** How many matching calls pass unharmed first; default 0. */
  after?: number;
  /** How many calls it meets; default 1. */
  times?: number;
}

export interface FaultQueue {
  add(planned: PlannedFault): void;
  /** The fault this call meets, spent by asking; null for none. */
  take(call: { method: string; target: string; body?: string }): Fault | null;
  clear(): void;
  /** How many faults wait for a call. */
  readonly size: number;
}

export function createFaultQueue(): FaultQueue {
  let waiting: { planned: PlannedFault; pass: number; left: number }[] = [];
  return {
    add(planned) {
      waiting.push({ planned, pass: planned.after ?? 0, left: planned.times ?? 1 });
    },
    take({ method, target, body = '' }) {
      const met = waiting.find(
        ({ planned }) =>
          (planned.method ?? method) === method &&
          (planned.path === undefined || planned.path.test(target)) &&
          (planned.body === undefined || planned.body.test(body)),
      );
      if (!met) return null;
      if (met.pass > 0) {
        met.pass -= 1;
        return null;
      }
      met.left -= 1;
      if (met.left <= 0) waiting = waiting.filter((one) => one !== met);
      return met.planned.fault;
    },
    clear() {
      waiting = [];
    },
    get size() {
      return waiting.length;
    },
  };
}
