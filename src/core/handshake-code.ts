// Whether a connection failed in its TLS handshake, by the code that Node gives: a certificate that nobody here trusts, that
// is out of date or bears another name. Never looks at a message.

/** Node's own, and OpenSSL's words for what is wrong with a certificate. */
const handshakeCode =
  /^(ERR_(TLS|SSL)_.*|CERT_.*|CRL_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_.*|ERROR_IN_C.*|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/;

/** Such as `SELF_SIGNED_CERT_IN_CHAIN`; null for anything else. */
export function handshakeCodeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return handshakeCode.test(error.code) ? error.code : null;
}
