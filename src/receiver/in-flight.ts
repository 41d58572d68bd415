// The places for requests in flight, and who gives way when there are none left: the oldest upload of a sender that has
// proven nothing. Never takes the place of a request whose body is whole, or of one that came over a proven connection.

export interface InFlightLimits {
  /** Requests at one time, of everybody. */
  readonly places: number;
  /** Of them, on one connection that has proven nothing. Nobody we know writes a request before it has the last answer. */
  readonly unprovenPerConnection: number;
  /** Of all bodies under way that come from senders without a proof. At least one whole body has to fit. */
  readonly unprovenBytes: number;
}

/** Why a request was answered OVERLOADED; the labels of a metric, so a closed list. */
export type OverloadReason = 'JOURNAL_FULL' | 'NO_PLACE_LEFT' | 'PIPELINED' | 'GAVE_WAY';

export interface InFlightRequest {
  /** What its connection is known by. */
  readonly connection: object;
  /** Whether it, or its connection, has shown already that it comes from Lean. */
  readonly isProven: boolean;
  /** Its place is gone, and an answer has to end it. Called at most once, and never after `keep` or `leave`. */
  readonly giveWay: () => void;
}

export interface Place {
  /** So many more bytes of its body are here. */
  received(bytes: number): void;
  /** The body is whole. */
  keep(): void;
  leave(): void;
}

export interface InFlight {
  /** A place, or why there is none. */
  enter(request: InFlightRequest): Place | OverloadReason;
  /** An authentic delivery came over it: no request of it gives way from now on. */
  prove(connection: object): void;
  count(): number;
}

interface Held {
  readonly request: InFlightRequest;
  /** All of its connection. */
  readonly others: Set<Held>;
  bytes: number;
}

export function createInFlight(limits: InFlightLimits): InFlight {
  const held = new Set<Held>();
  /** Without a proof and not whole yet, in order of arrival. */
  const yielding = new Set<Held>();
  let yieldingBytes = 0;
  const byConnection = new WeakMap<object, Set<Held>>();

  function requestsOn(connection: object): Set<Held> {
    const known = byConnection.get(connection);
    if (known !== undefined) return known;
    const requests = new Set<Held>();
    byConnection.set(connection, requests);
    return requests;
  }

  function hold(one: Held): void {
    if (yielding.delete(one)) yieldingBytes -= one.bytes;
  }

  function leave(one: Held): void {
    hold(one);
    held.delete(one);
    one.others.delete(one);
  }

  /** False when nobody may give way. */
  function pushOutOldest(): boolean {
    const [oldest] = yielding;
    if (oldest === undefined) return false;
    leave(oldest);
    oldest.request.giveWay();
    return true;
  }

  function placeOf(one: Held): Place {
    return {
      received(bytes) {
        if (!yielding.has(one)) return;
        one.bytes += bytes;
        yieldingBytes += bytes;
        while (yieldingBytes > limits.unprovenBytes) pushOutOldest();
      },
      keep: () => hold(one),
      leave: () => leave(one),
    };
  }

  return {
    enter(request) {
      const { connection, isProven } = request;
      const others = requestsOn(connection);
      if (!isProven && others.size >= limits.unprovenPerConnection) return 'PIPELINED';
      if (held.size >= limits.places && !pushOutOldest()) return 'NO_PLACE_LEFT';
      const one: Held = { request, others, bytes: 0 };
      held.add(one);
      others.add(one);
      if (!isProven) yielding.add(one);
      return placeOf(one);
    },
    prove(connection) {
      if (yielding.size > 0) for (const one of requestsOn(connection)) hold(one);
    },
    count: () => held.size,
  };
}
