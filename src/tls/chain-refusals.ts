// Why a client's certificate is refused: a closed list of words that logs, metrics and tests may rely on. A reason is
// never removed or given another meaning.

/** What is wrong with the certificates, from their bytes to their path. */
const certificateRefusals = [
  'BUNDLE_EMPTY', // no usable self-signed root among the anchors
  'CERTIFICATE_MALFORMED', // not strict DER, or not a certificate
  'CERTIFICATE_NOT_V3',
  'CERTIFICATE_TOO_LARGE',
  'CERTIFICATE_UNREADABLE', // passes our own reading and not OpenSSL's
  'EXTENSION_MALFORMED',
  'EXTENSION_NOT_SUPPORTED', // one that would change the meaning of the rest: proxy, address blocks, Netscape type
  'EXTENSION_REPEATED',
  'EXTENSION_UNKNOWN_CRITICAL',
  'KEY_IDENTIFIER_MISSING', // RFC 5280 wants them where authorities are involved
  'KEY_NOT_ALLOWED', // RSA below 2048 bits, another curve, another algorithm
  'NAME_EMPTY',
  'SIGNATURE_ALGORITHM_MISMATCH', // the signed and the unsigned field differ
  'SIGNATURE_ALGORITHM_NOT_ALLOWED',
] as const;

const pathRefusals = [
  'BUDGET_SPENT', // too many signatures or paths to try
  'EXPIRED',
  'ISSUER_KEY_USAGE', // an issuer that may not sign certificates
  'ISSUER_NOT_CA',
  'ISSUER_NOT_FOUND', // no path to an anchor
  'KEY_PIN_REQUIRED', // server certificates are allowed for a client, and this key is not on the list
  'LEAF_IS_ANCHOR',
  'LEAF_IS_CA',
  'LEAF_KEY_USAGE', // keyUsage without digitalSignature, or with keyCertSign
  'NOT_YET_VALID',
  'PATH_LENGTH_EXCEEDED',
  'PATH_TOO_DEEP',
  'PURPOSE_NOT_ALLOWED', // extended key usage of the leaf or of an authority
  'SIGNATURE_INVALID',
  'TOO_MANY_INTERMEDIATES',
] as const;

const nameRefusals = [
  'NAME_CHECKS_EXCEEDED',
  'NAME_EXCLUDED',
  'NAME_MALFORMED',
  'NAME_NOT_PERMITTED',
  'NAME_TYPE_NOT_SUPPORTED', // constrained by an authority, and we cannot compare it
] as const;

const revocationRefusals = [
  'CRL_EXPIRED',
  'CRL_MALFORMED',
  'CRL_MISSING', // an authority of the path without a list, though lists are in use
  'CRL_NOT_SUPPORTED', // delta, indirect, limited to a part, or an unknown critical extension
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_INVALID',
  'REVOKED',
] as const;

export const chainRefusals = [
  ...certificateRefusals,
  ...pathRefusals,
  ...nameRefusals,
  ...revocationRefusals,
] as const;
export type ChainRefusal = (typeof chainRefusals)[number];

/** Thrown inside the verifier, and turned into a verdict at its door. */
export class ChainRefused extends Error {
  override readonly name = 'ChainRefused';
  readonly reason: ChainRefusal;

  constructor(reason: ChainRefusal) {
    super(reason);
    this.reason = reason;
  }
}
