// What a caller presented, off the socket or out of the header a proxy forwards it in, read once and remembered.
// Never says whether it is any good, and never believes a header of anybody but a trusted proxy.
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import {
  forwardedFormats,
  readForwardedCertificate,
  type ForwardedFormat,
  type ForwardedReading,
} from './forwarded-certificate.ts';
import type { UnreadableReason } from './judge-certificate.ts';
import { readLeafIdentity, type LeafIdentity } from './leaf-pins.ts';
import type { TrustedNetworks } from './trusted-networks.ts';

/** A request, or a finished handshake, which has no header lines. */
export interface Caller {
  readonly socket: Socket;
  /** As node:http gives them: name, value, name, value. */
  readonly rawHeaders: readonly string[];
}

export interface Presented {
  readonly leafDer: Uint8Array;
  readonly intermediatesDer: readonly Uint8Array[];
  /** Lower-case hex, SHA-256 over the leaf's DER. */
  readonly sha256: string;
  /** null: its names cannot be read. */
  readonly identity: LeafIdentity | null;
}

export type Presentation =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: UnreadableReason }
  | { readonly kind: 'presented'; readonly presented: Presented };

/** Where certificates are looked for: in one place only, whatever else a caller sends. */
export type PresentationSource = (caller: Caller) => Presentation;

/** The verifier takes a leaf and 10 more; one more than that shows it that there were too many. */
const maxPresented = 12;

/** Off the TLS connection; every forwarding header is ignored. */
export function createSocketSource(): PresentationSource {
  const bySocket = new WeakMap<Socket, Presentation>();
  const byDigests = new Map<string, Presentation>();

  /** Read once, however many connections it comes over: taking it apart costs as much as the rest of a request. */
  function recall(reading: ForwardedReading): Presentation {
    if (reading.kind !== 'presented') return reading;
    const digests = [reading.leafDer, ...reading.intermediatesDer].map(sha256Hex).join();
    const presentation = byDigests.get(digests) ?? describe(reading);
    rememberRecent(byDigests, digests, presentation);
    return presentation;
  }

  return ({ socket }) => {
    const known = bySocket.get(socket);
    if (known) return known;
    const reading = socket instanceof TLSSocket ? recall(readSocket(socket)) : absent;
    if (reading.kind === 'presented') bySocket.set(socket, reading);
    return reading;
  };
}

export interface ForwardedSourceOptions {
  readonly format: ForwardedFormat;
  /** Whose headers are believed, by the address of the TCP connection. */
  readonly proxies: TrustedNetworks;
}

/** Of different certificates, as their bytes or as a proxy's text. Lean has one or two at a time. */
const rememberedAtOnce = 64;

/** Out of the header lines of one format; every other scheme's header is ignored. */
export function createForwardedSource({ format, proxies }: ForwardedSourceOptions): PresentationSource {
  const names = new Set(forwardedFormats[format].headers.map((name) => name?.toLowerCase()));
  const byText = new Map<string, Presentation>();
  return ({ socket, rawHeaders }) => {
    const text = linesOf(rawHeaders, names);
    if (text === '') return absent;
    if (!proxies.includes(socket.remoteAddress)) return { kind: 'unreadable', reason: 'PROXY_NOT_TRUSTED' };
    const known = byText.get(text);
    const reading = known ?? describe(readForwardedCertificate(rawHeaders, format));
    // What is no certificate is not remembered: it costs little to see that again.
    if (reading.kind === 'presented') rememberRecent(byText, text, reading);
    return reading;
  };
}

const absent = { kind: 'absent' } as const;

/** The lines a format reads, in their order: all that its reading depends on. No name or value holds a line break. */
function linesOf(rawHeaders: readonly string[], names: ReadonlySet<string | undefined>): string {
  let lines = '';
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (names.has(name)) lines += `${name}\n${rawHeaders[index + 1]}\n`;
  }
  return lines;
}

function rememberRecent(entries: Map<string, Presentation>, key: string, reading: Presentation): void {
  entries.delete(key);
  const oldest = entries.keys().next();
  if (entries.size >= rememberedAtOnce && !oldest.done) entries.delete(oldest.value);
  entries.set(key, reading);
}

function readSocket(socket: TLSSocket): ForwardedReading {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return absent;
  const intermediatesDer: Uint8Array[] = [];
  for (
    let next = leaf.issuerCertificate;
    next !== undefined && intermediatesDer.length < maxPresented - 1;
    next = next.issuerCertificate
  )
    intermediatesDer.push(next.raw);
  return { kind: 'presented', leafDer: leaf.raw, intermediatesDer };
}

function describe(reading: ForwardedReading): Presentation {
  if (reading.kind !== 'presented') return reading;
  const { leafDer, intermediatesDer } = reading;
  return {
    kind: 'presented',
    presented: { leafDer, intermediatesDer, sha256: sha256Hex(leafDer), identity: readLeafIdentity(leafDer) },
  };
}

function sha256Hex(der: Uint8Array): string {
  return hash('sha256', der, 'hex');
}
