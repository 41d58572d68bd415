// Reads what a connection's peer presented, once per connection, and whether it is on the list of names.
// Remembers verdicts about names for a bounded number of certificates; dates are never remembered as a verdict.
import { X509Certificate, createHash } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { matchesLeafPin, readLeafNames, type LeafPin } from '../tls/leaf-pins.ts';
import type { PeerCertificate } from './verify-delivery.ts';

interface LeafVerdict {
  readonly names: string;
  readonly isLean: boolean;
}

/** Lean has one sender certificate, or two around a renewal; the rest of the room is for strangers to push each other out. */
const rememberedLeaves = 64;
/** A path longer than this does not come out of OpenSSL's default depth; it bounds the walk below. */
const maxChainLength = 101;

export interface PeerReader {
  /** null when the peer presented no certificate. */
  read(socket: TLSSocket): PeerCertificate | null;
}

export function createPeerReader({ pins }: { pins: readonly LeafPin[] }): PeerReader {
  const bySocket = new WeakMap<TLSSocket, PeerCertificate>();
  const byLeaf = new Map<string, LeafVerdict>();

  function judgeLeaf(leaf: X509Certificate, sha256: string): LeafVerdict {
    const known = byLeaf.get(sha256);
    if (known) return known;
    const verdict = { names: printNames(leaf), isLean: matchesLeafPin(leaf, pins) };
    const oldest = byLeaf.keys().next();
    if (byLeaf.size >= rememberedLeaves && !oldest.done) byLeaf.delete(oldest.value);
    byLeaf.set(sha256, verdict);
    return verdict;
  }

  return {
    read(socket) {
      const known = bySocket.get(socket);
      if (known) return known;
      const [leaf, ...issuers] = presentedChain(socket);
      if (leaf === undefined) return null;
      const sha256 = createHash('sha256').update(leaf.raw).digest('hex');
      const chain = [leaf, ...issuers];
      const peer = {
        sha256,
        ...judgeLeaf(leaf, sha256),
        validFromMs: Math.max(...chain.map((certificate) => certificate.validFromDate.getTime())),
        validToMs: Math.min(...chain.map((certificate) => certificate.validToDate.getTime())),
        chainVerified: socket.authorized,
      };
      bySocket.set(socket, peer);
      return peer;
    },
  };
}

/** The leaf, then the issuers as OpenSSL completed them from the anchors, up to the root. */
function presentedChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // node:tls gives an empty object for "none" and lets a root be its own issuer.
  while (next?.raw !== undefined && !seen.has(next.fingerprint256) && chain.length < maxChainLength) {
    seen.add(next.fingerprint256);
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}

function printNames(leaf: X509Certificate): string {
  const names = readLeafNames(leaf.raw);
  if (names === null) return '';
  return [...names.dns.map((name) => `dns:${name}`), ...names.uri.map((name) => `uri:${name}`)].join(',');
}
