// How the public listener speaks TLS: which versions, which ciphers, and whose client certificates it lets in.
// Never asks node:tls to trust its built-in public authorities: the anchors are Lean's file, or nobody is asked.
import { constants } from 'node:crypto';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { strictCiphers, type CaBundle, type CrlSet, type KeyPair } from './tls-material.ts';

/** Everything of TLS that may change on disk while the server runs. */
export interface TlsMaterial {
  readonly pair: KeyPair;
  /** null: no client certificate is asked for (VERIFY=signature). */
  readonly clients: ClientTrust | null;
}

/** What a client's certificate has to stand up against. */
export interface ClientTrust {
  readonly anchors: CaBundle;
  /** null: no revocation lists are in use. */
  readonly crls: CrlSet | null;
}

const handshakeTimeoutMs = 5_000;

/**
 * node:tls knows no other purpose of a client's certificate than clientAuth. Where that is not demanded, its own verdict
 * decides nothing (`rejectsUnverified` false), and each connection has to be judged before its first request.
 */
export function tlsServerOptions(
  material: TlsMaterial,
  { rejectsUnverified }: { rejectsUnverified: boolean },
): TlsOptions {
  return {
    ...secureContextOptions(material),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: handshakeTimeoutMs,
    requestCert: material.clients !== null,
    rejectUnauthorized: material.clients !== null && rejectsUnverified,
  };
}

/** The part that `server.setSecureContext` takes when files were replaced; it must be given whole each time. */
export function secureContextOptions({ pair, clients }: TlsMaterial): SecureContextOptions {
  return {
    cert: pair.certPem,
    key: pair.keyPem,
    minVersion: 'TLSv1.2',
    ciphers: strictCiphers,
    // A resumed session keeps an old verdict about the peer (so no tickets), and a renegotiation would replace
    // the certificate in the middle of a connection.
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    ...(clients && { ca: clients.anchors.certificates.map(String) }),
    ...(clients?.crls && { crl: [...clients.crls.pems] }),
  };
}
