// Deliveries as bytes, made and signed before anything is measured. Never two with one event id.
import { randomUUID } from 'node:crypto';
import { signBody } from '../simulator/webhook-sender.ts';

export interface BodyPlan {
  /** Lean's type of event. */
  readonly type: string;
  /** Of the whole body; an envelope alone has about 200. */
  readonly bytes: number;
}

const fillerText = 'Salary 2026-11 ref 00417 AED ';

/** An envelope as Lean writes it, filled up to its size inside the payload. */
export function deliveryBody({ type, bytes }: BodyPlan): string {
  const envelope = (filler: string): string =>
    JSON.stringify({
      type,
      message: 'An event has occurred.',
      payload: { id: id.payload, filler },
      event_id: id.event,
      timestamp,
    });
  const id = { payload: randomUUID(), event: randomUUID() };
  const timestamp = new Date().toISOString();
  const missing = Math.max(0, bytes - envelope('').length);
  return envelope(fillerText.repeat(Math.ceil(missing / fillerText.length)).slice(0, missing));
}

export interface RequestPlan {
  readonly url: string;
  readonly secret: string;
  readonly body: BodyPlan;
  /** Of a connection that is for one delivery. */
  readonly closes: boolean;
}

export function requestBytes({ url, secret, body, closes }: RequestPlan): Buffer {
  const { host, pathname } = new URL(url);
  const text = deliveryBody(body);
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `Host: ${host}`,
    'Content-Type: application/json',
    `Lean-Signature: ${signBody(text, secret)}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(closes ? ['Connection: close'] : []),
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}
