// What the readers of forwarded certificates answer: a chain, or why there is none. The reasons are a closed list that
// logs and metrics may rely on; one is never removed or given another meaning.

export const forwardedRefusals = [
  'HEADER_REPEATED', // two lines, or two elements of one line: one of them may be the caller's own
  'HEADER_TOO_LARGE', // the value, a certificate in it, their number, or the number of header lines
  'HEADER_UNREADABLE', // not exactly what the load balancer is documented to send
  'PROXY_UNVERIFIED', // the load balancer does not say that it verified the certificate
] as const;
export type ForwardedRefusal = (typeof forwardedRefusals)[number];

/** Certificates in DER, each strict in its outline and without a byte behind it; nothing else of them is known. */
export interface ForwardedChain {
  readonly leafDer: Uint8Array;
  readonly intermediatesDer: readonly Uint8Array[];
}

/** Thrown inside the readers, and turned into an answer at their door. */
export class ForwardedRefused extends Error {
  override readonly name = 'ForwardedRefused';
  readonly reason: ForwardedRefusal;

  constructor(reason: ForwardedRefusal) {
    super(reason);
    this.reason = reason;
  }
}

export function unreadable(): ForwardedRefused {
  return new ForwardedRefused('HEADER_UNREADABLE');
}
