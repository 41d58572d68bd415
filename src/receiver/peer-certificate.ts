// Reads the certificate that a connection's peer presented, once per connection, and whether it is on the list of names.
// Remembers verdicts about names for a bounded number of certificates; dates are never remembered as a verdict.
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { matchesLeafPin, readLeafNames, type LeafPin } from '../tls/leaf-pins.ts';
import type { PeerCertificate } from './verify-delivery.ts';

interface LeafVerdict {
  readonly names: string;
  readonly isLean: boolean;
}

/** Lean has one sender certificate, or two around a renewal; the rest of the room is for strangers to push each other out. */
const rememberedLeaves = 64;

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
      const leaf = socket.getPeerX509Certificate();
      if (leaf === undefined) return null;
      const sha256 = createHash('sha256').update(leaf.raw).digest('hex');
      const peer = {
        sha256,
        ...judgeLeaf(leaf, sha256),
        validFromMs: leaf.validFromDate.getTime(),
        validToMs: leaf.validToDate.getTime(),
        chainVerified: socket.authorized,
      };
      bySocket.set(socket, peer);
      return peer;
    },
  };
}

function printNames(leaf: X509Certificate): string {
  const names = readLeafNames(leaf.raw);
  if (names === null) return '';
  return [...names.dns.map((name) => `dns:${name}`), ...names.uri.map((name) => `uri:${name}`)].join(',');
}
