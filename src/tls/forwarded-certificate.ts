// The certificate of a client as the load balancer that ended its TLS forwards it: one row for each way to do so.
// Reads the header lines as they came and the configured row's only; believes nothing, for whoever may send to us can
// write any of them: whether the peer is a trusted load balancer, and what the certificate is worth, others judge.
import { hasTooManyLines, headerValues } from '../core/raw-headers.ts';
import {
  ForwardedRefused,
  unreadable,
  type ForwardedChain,
  type ForwardedRefusal,
} from './forwarded-answer.ts';
import {
  readBase64Certificate,
  readBase64Concatenation,
  readBase64List,
  readByteSequence,
  readByteSequenceList,
  readEncodedPem,
  readEncodedPemChain,
} from './forwarded-encodings.ts';
import { readEnvoyElement } from './forwarded-envoy.ts';

export type { ForwardedRefusal } from './forwarded-answer.ts';

export type ForwardedFormat =
  | 'rfc9440'
  | 'envoy'
  | 'nginx'
  | 'haproxy'
  | 'aws-alb-verify'
  | 'aws-alb-passthrough'
  | 'traefik';

export type ForwardedReading =
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: ForwardedRefusal }
  | ({ readonly kind: 'presented' } & ForwardedChain);

/** The values of a row's headers; the certificate's is not empty, the other one's is when it is missing. */
interface ForwardedValues {
  readonly certificate: string;
  readonly beside: string;
}

export interface ForwardedFormatRow {
  /** The header that holds the certificate, and maybe one that is read beside it. */
  readonly headers: readonly string[];
  /** Tested against the real server; the others against values of the shape that their documentation shows. */
  readonly isProven: boolean;
  /** Throws ForwardedRefused. */
  readonly read: (values: ForwardedValues) => ForwardedChain;
}

export const forwardedFormats: Readonly<Record<ForwardedFormat, ForwardedFormatRow>> = {
  // RFC 9440, section 2: a byte sequence, and a list of them without the leaf.
  rfc9440: {
    headers: ['Client-Cert', 'Client-Cert-Chain'],
    isProven: false,
    read: ({ certificate, beside }) => ({
      leafDer: readByteSequence(certificate),
      intermediatesDer: beside === '' ? [] : readByteSequenceList(beside),
    }),
  },
  envoy: {
    headers: ['X-Forwarded-Client-Cert'],
    isProven: false,
    read: ({ certificate }) => readEnvoyElement(certificate),
  },
  // nginx has no variable for the chain. It forwards what it did not verify, too, and says so in the second header.
  nginx: {
    headers: ['X-SSL-Client-Cert', 'X-SSL-Client-Verify'],
    isProven: true,
    read: ({ certificate, beside }) => {
      if (beside !== 'SUCCESS') throw new ForwardedRefused('PROXY_UNVERIFIED');
      return { leafDer: readEncodedPem(certificate), intermediatesDer: [] };
    },
  },
  // The second header is ssl_c_chain_der, which does not hold the leaf and is empty without intermediates.
  haproxy: {
    headers: ['X-SSL-Client-Cert', 'X-SSL-Client-Chain'],
    isProven: true,
    read: ({ certificate, beside }) => ({
      leafDer: readBase64Certificate(certificate),
      intermediatesDer: beside === '' ? [] : readBase64Concatenation(beside),
    }),
  },
  'aws-alb-verify': {
    headers: ['X-Amzn-Mtls-Clientcert-Leaf'],
    isProven: false,
    read: ({ certificate }) => ({ leafDer: readEncodedPem(certificate), intermediatesDer: [] }),
  },
  'aws-alb-passthrough': {
    headers: ['X-Amzn-Mtls-Clientcert'],
    isProven: false,
    read: ({ certificate }) => leafFirst(readEncodedPemChain(certificate)),
  },
  traefik: {
    headers: ['X-Forwarded-Tls-Client-Cert'],
    isProven: false,
    read: ({ certificate }) => leafFirst(readBase64List(certificate)),
  },
};

/** More than all headers of a request may have together where certificates are forwarded. */
const maxValueLength = 32_768;
/** As many as the verifier takes. */
const maxIntermediates = 10;

/**
 * `rawHeaders` as node:http gives them, names and values in turn and repeats apart. Never throws. No line with the
 * certificate, or one that is empty, is `absent`: so say load balancers that the client presented none.
 */
export function readForwardedCertificate(
  rawHeaders: readonly string[],
  format: ForwardedFormat,
): ForwardedReading {
  try {
    const chain = readRow(rawHeaders, forwardedFormats[format]);
    return chain === null ? { kind: 'absent' } : { kind: 'presented', ...chain };
  } catch (error) {
    if (error instanceof ForwardedRefused) return { kind: 'unreadable', reason: error.reason };
    throw error;
  }
}

function readRow(
  rawHeaders: readonly string[],
  { headers, read }: ForwardedFormatRow,
): ForwardedChain | null {
  if (hasTooManyLines(rawHeaders)) throw new ForwardedRefused('HEADER_TOO_LARGE');
  const [certificate = '', beside = ''] = headers.map((name) => soleValue(rawHeaders, name));
  if (certificate === '') return null;
  const chain = read({ certificate, beside });
  if (chain.intermediatesDer.length > maxIntermediates) throw new ForwardedRefused('HEADER_TOO_LARGE');
  return chain;
}

/** Empty when there is no such line. */
function soleValue(rawHeaders: readonly string[], name: string): string {
  const [value = '', ...more] = headerValues(rawHeaders, name);
  if (more.length > 0) throw new ForwardedRefused('HEADER_REPEATED');
  if (value.length > maxValueLength) throw new ForwardedRefused('HEADER_TOO_LARGE');
  return value;
}

function leafFirst([leafDer, ...intermediatesDer]: readonly Uint8Array[]): ForwardedChain {
  if (leafDer === undefined) throw unreadable();
  return { leafDer, intermediatesDer };
}
