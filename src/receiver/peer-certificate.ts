// What a connection's peer presented, read once per connection, and what the verifier says of it, asked for each request.
// Never keeps a verdict itself: trust, lists and the time may have changed since the last request.
import { createHash, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ChainCache } from '../tls/chain-cache.ts';
import { matchesLeafPin, readLeafNames, type LeafPin } from '../tls/leaf-pins.ts';
import type { ClientPolicy } from '../tls/path-rules.ts';
import type { ClientTrust } from './tls-server.ts';
import type { PeerCertificate } from './verify-delivery.ts';

/** The verifier takes a leaf and 10 more; one more than that shows it that there were too many. */
const maxPresented = 12;

export interface PeerReaderOptions {
  readonly pins: readonly LeafPin[];
  readonly policy: ClientPolicy;
  /** What is in force at this moment; null: nobody is asked for a certificate. */
  readonly trust: () => ClientTrust | null;
  readonly chains: ChainCache;
}

export interface PeerReader {
  /** null when the peer presented no certificate. */
  read(socket: TLSSocket, now: Date): PeerCertificate | null;
}

interface Presented {
  readonly leafDer: Uint8Array;
  readonly intermediatesDer: readonly Uint8Array[];
  readonly sha256: string;
  readonly names: string;
  readonly isOnList: () => boolean;
}

export function createPeerReader({ pins, policy, trust, chains }: PeerReaderOptions): PeerReader {
  const bySocket = new WeakMap<TLSSocket, Presented>();

  function presentedOn(socket: TLSSocket): Presented | null {
    const known = bySocket.get(socket);
    if (known) return known;
    const presented = readPresented(socket, pins);
    if (presented) bySocket.set(socket, presented);
    return presented;
  }

  return {
    read(socket, now) {
      const presented = presentedOn(socket);
      const inForce = trust();
      if (presented === null || inForce === null) return null;
      const { leafDer, intermediatesDer, sha256, names, isOnList } = presented;
      const { anchors, crls } = inForce;
      const chain = chains.judge({
        leafDer,
        intermediatesDer,
        anchors: anchors.trust,
        crls: crls?.lists ?? null,
        now,
        policy,
      });
      const isVerifiedByTls = policy.purpose === 'serverAuth' ? null : socket.authorized;
      // Of a certificate that does not verify no name or key is believed.
      return { sha256, names, chain, isVerifiedByTls, isLean: chain.verdict === 'accept' && isOnList() };
    },
  };
}

function readPresented(socket: TLSSocket, pins: readonly LeafPin[]): Presented | null {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return null;
  const intermediatesDer: Uint8Array[] = [];
  for (
    let next = leaf.issuerCertificate;
    next !== undefined && intermediatesDer.length < maxPresented - 1;
    next = next.issuerCertificate
  )
    intermediatesDer.push(next.raw);
  let onList: boolean | null = null;
  return {
    leafDer: leaf.raw,
    intermediatesDer,
    sha256: createHash('sha256').update(leaf.raw).digest('hex'),
    names: printNames(leaf),
    isOnList: () => (onList ??= matchesLeafPin(leaf, pins)),
  };
}

function printNames(leaf: X509Certificate): string {
  const names = readLeafNames(leaf.raw);
  if (names === null) return '';
  return [...names.dns.map((name) => `dns:${name}`), ...names.uri.map((name) => `uri:${name}`)].join(',');
}
