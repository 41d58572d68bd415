// Reads the PROXY header (versions 1 and 2) with which a TCP load balancer says on whose behalf it connects.
// Never looks behind the header, never throws, and gives no authority: what it reads is an address for log lines.
// Source: haproxy.org/download/1.8/doc/proxy-protocol.txt, sections 2.1 and 2.2.
import { SocketAddress, isIPv4, isIPv6 } from 'node:net';

export interface ProxiedSource {
  readonly address: string;
  readonly port: number;
}

export type ProxyHeaderReading =
  /** What is here may still become a header. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid' }
  /** `length` bytes are the header's. source null: the balancer speaks for itself, or for nobody with an IP address. */
  | { readonly kind: 'header'; readonly length: number; readonly source: ProxiedSource | null };

/** Of a version 1 line, CRLF included. */
const maxLineBytes = 107;
/** Of what follows the first 16 bytes of version 2: addresses and TLVs of every known balancer are far below. */
const maxPayloadBytes = 536;
const fixedBytes = 16;

const lineStart = Buffer.from('PROXY ', 'latin1');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

const incomplete = { kind: 'incomplete' } as const;
const invalid = { kind: 'invalid' } as const;

/** `bytes`: everything the connection has brought so far. More of them never change a verdict but `incomplete`. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeaderReading {
  const received = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (beginsAs(received, signature))
    return received.length < fixedBytes ? beginningOf(received) : readBinary(received);
  return beginsAs(received, lineStart) ? readLine(received) : invalid;
}

/** True while nothing contradicts it, so for no bytes at all too. */
function beginsAs(received: Buffer, start: Buffer): boolean {
  const length = Math.min(received.length, start.length);
  return received.compare(start, 0, length, 0, length) === 0;
}

function readLine(received: Buffer): ProxyHeaderReading {
  const window = received.subarray(0, maxLineBytes);
  const end = window.indexOf('\r\n', 0, 'latin1');
  const line = end === -1 ? window : window.subarray(0, end);
  // Only the last byte of an unfinished line may be the CR of its end.
  const odd = line.findIndex((byte) => byte < 0x20 || byte > 0x7e);
  const mayEnd = end === -1 && odd === line.length - 1 && line[odd] === 0x0d;
  if (odd !== -1 && !mayEnd) return invalid;
  if (end === -1) return window.length < maxLineBytes ? incomplete : invalid;
  const source = sourceOfLine(line.toString('latin1'));
  return source === undefined ? invalid : { kind: 'header', length: end + 2, source };
}

/** undefined: not by the grammar. */
function sourceOfLine(line: string): ProxiedSource | null | undefined {
  // Whatever stands behind UNKNOWN is to be ignored.
  if (/^PROXY UNKNOWN(?: |$)/.test(line)) return null;
  const [, protocol, ...rest] = line.split(' ');
  const [address, target, port, targetPort, ...surplus] = rest;
  const isAddress = protocol === 'TCP4' ? isIPv4 : isPlainIPv6;
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return undefined;
  if (address === undefined || target === undefined || surplus.length > 0) return undefined;
  if (!isAddress(address) || !isAddress(target)) return undefined;
  if (!isPort(port) || !isPort(targetPort)) return undefined;
  return { address: printed(address), port: Number(port) };
}

/** A zone means something on the sender's machine only. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string | undefined): text is string {
  return text !== undefined && /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

const commandLocal = 0x20;
const commandProxy = 0x21;

/** By family and transport: how long the addresses are. A stream is all that can come over TCP. */
const addressBytes: Readonly<Record<number, number>> = { 0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216 };

function beginningOf(received: Buffer): ProxyHeaderReading {
  const [command, family] = received.subarray(signature.length);
  if (command !== undefined && command !== commandLocal && command !== commandProxy) return invalid;
  if (command === commandProxy && family !== undefined && addressBytes[family] === undefined) return invalid;
  return incomplete;
}

function readBinary(received: Buffer): ProxyHeaderReading {
  const payloadBytes = received.readUInt16BE(14);
  if (beginningOf(received).kind === 'invalid' || payloadBytes > maxPayloadBytes) return invalid;
  const [command, family = 0] = received.subarray(signature.length);
  const needed = command === commandProxy ? (addressBytes[family] ?? 0) : 0;
  if (payloadBytes < needed) return invalid;
  const length = fixedBytes + payloadBytes;
  if (received.length < length) return incomplete;
  const source = command === commandProxy ? sourceOfAddresses(received, family) : null;
  return { kind: 'header', length, source };
}

/** Source address, target address, source port, target port; what follows are TLVs. */
function sourceOfAddresses(received: Buffer, family: number): ProxiedSource | null {
  if (family === 0x11)
    return { address: received.subarray(16, 20).join('.'), port: received.readUInt16BE(24) };
  if (family !== 0x21) return null;
  const groups = Array.from({ length: 8 }, (_, group) => received.readUInt16BE(16 + 2 * group).toString(16));
  return { address: printed(groups.join(':')), port: received.readUInt16BE(48) };
}

/** One spelling per address, the one node:net gives a peer's. */
function printed(address: string): string {
  return new SocketAddress({ address, family: isIPv4(address) ? 'ipv4' : 'ipv6' }).address;
}
