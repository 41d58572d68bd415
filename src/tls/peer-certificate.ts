// What the verifier says of the certificate a caller presented, asked for each request.
// Never keeps a verdict itself: trust, lists and the time may have changed since the last request.
import { TLSSocket } from 'node:tls';
import type { ChainCache } from './chain-cache.ts';
import type { PeerCertificate, PeerReading } from './judge-certificate.ts';
import { matchesLeafPin, printLeafNames, type LeafPin } from './leaf-pins.ts';
import type { ClientPolicy } from './path-rules.ts';
import type { Caller, PresentationSource, Presented } from './presented-certificate.ts';
import type { ClientTrust } from './tls-server.ts';

export interface PeerReaderOptions {
  readonly source: PresentationSource;
  readonly pins: readonly LeafPin[];
  readonly policy: ClientPolicy;
  /** What is in force at this moment; null: nobody is asked for a certificate. */
  readonly trust: () => ClientTrust | null;
  readonly chains: ChainCache;
}

export interface PeerReader {
  /** What a request or a finished handshake shows of its caller, judged as of `now`. */
  read(caller: Caller, now: Date): PeerReading;
}

export function createPeerReader({ source, pins, policy, trust, chains }: PeerReaderOptions): PeerReader {
  const factsByCertificate = new WeakMap<Presented, PeerFacts>();

  /** Of one connection they stay the same. */
  function factsOf(presented: Presented): PeerFacts {
    const known = factsByCertificate.get(presented);
    if (known !== undefined) return known;
    const facts = readFacts(presented, pins);
    factsByCertificate.set(presented, facts);
    return facts;
  }

  return {
    read(caller, now) {
      const inForce = trust();
      if (inForce === null) return { kind: 'absent' };
      const presentation = source(caller);
      if (presentation.kind !== 'presented') return presentation;
      const { leafDer, intermediatesDer } = presentation.presented;
      const { isPinned, ...facts } = factsOf(presentation.presented);
      const { anchors, crls } = inForce;
      const chain = chains.judge({
        leafDer,
        intermediatesDer,
        anchors: anchors.trust,
        crls: crls?.lists ?? null,
        now,
        policy,
      });
      const peer = {
        ...facts,
        chain,
        isVerifiedByTls: policy.purpose === 'serverAuth' ? null : verdictOfTls(caller),
        // Of a certificate that does not verify no name or key is believed.
        isLean: chain.verdict === 'accept' && isPinned,
      };
      return { kind: 'presented', peer };
    },
  };
}

interface PeerFacts extends Pick<PeerCertificate, 'sha256' | 'leafDer' | 'names' | 'keyPin'> {
  readonly isPinned: boolean;
}

function readFacts({ sha256, leafDer, identity }: Presented, pins: readonly LeafPin[]): PeerFacts {
  const keyPin = identity === null ? '' : `sha256/${identity.spkiSha256}`;
  return {
    sha256,
    leafDer,
    names: printLeafNames(identity),
    keyPin,
    isPinned: matchesLeafPin(identity, pins),
  };
}

/** A proxy's handshake is not ours: without TLS here there is no verdict. */
function verdictOfTls({ socket }: Caller): boolean | null {
  return socket instanceof TLSSocket ? socket.authorized : null;
}
