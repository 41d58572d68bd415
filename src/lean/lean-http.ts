// One pooled HTTPS agent with our client certificate, and one exchange over it. Every wait and every size is bounded;
// redirects are not followed; what comes back is not judged here.
import tls from 'node:tls';
import { Agent, request } from 'undici';
import { AppError } from '../core/app-error.ts';
import type { ResponseHeaders } from './http-headers.ts';

/** PEM texts. Without a certificate only the plain sandbox can be called. */
export interface LeanMaterial {
  /** my_app_cert.crt and its key. */
  readonly certPem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** lean_public_cert_chain.pem: sent behind our certificate, and an extra trust root. */
  readonly caPem?: string | undefined;
}

export interface LeanLimits {
  readonly connectTimeoutMs: number;
  /** Until the first byte of the reply, and between two pieces of it. */
  readonly replyTimeoutMs: number;
  /** The whole call. */
  readonly callTimeoutMs: number;
  readonly replyBytes: number;
  readonly connections: number;
}

/** A synchronous call may take Lean 50 s before it says PENDING, hence 65. */
export const defaultLimits: LeanLimits = {
  connectTimeoutMs: 10_000,
  replyTimeoutMs: 65_000,
  callTimeoutMs: 130_000,
  replyBytes: 32 * 1024 * 1024,
  connections: 32,
};

/** Throws LEAN_MATERIAL_INVALID where the pair or the chain cannot be used. */
export function createAgent(material: LeanMaterial, limits: LeanLimits): Agent {
  const tlsOptions = readMaterial(material);
  return new Agent({
    connections: limits.connections,
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 300_000,
    headersTimeout: limits.replyTimeoutMs,
    bodyTimeout: limits.replyTimeoutMs,
    maxResponseSize: limits.replyBytes,
    connect: {
      timeout: limits.connectTimeoutMs,
      minVersion: 'TLSv1.2',
      // Said outright, since its default gives way to NODE_TLS_REJECT_UNAUTHORIZED.
      rejectUnauthorized: true,
      ...tlsOptions,
    },
  });
}

function readMaterial({ certPem, keyPem, caPem }: LeanMaterial): tls.SecureContextOptions {
  if ((certPem === undefined) !== (keyPem === undefined)) {
    throw new AppError('LEAN_MATERIAL_INVALID', 'a certificate and its key belong together');
  }
  const options: tls.SecureContextOptions = {
    // Lean's own sample sends its chain behind our certificate ("must be a concatenation").
    ...(certPem !== undefined && keyPem !== undefined
      ? { cert: [certPem.trim(), caPem?.trim() ?? ''].join('\n'), key: keyPem }
      : {}),
    // `ca` replaces the built-in roots; Lean's public hosts need those as well.
    ...(caPem === undefined ? {} : { ca: [...tls.getCACertificates('default'), caPem] }),
  };
  try {
    tls.createSecureContext(options);
  } catch {
    // No cause: OpenSSL's errors may describe the key.
    throw new AppError('LEAN_MATERIAL_INVALID', 'the certificate, its key or the CA file cannot be used');
  }
  return options;
}

export interface Exchange {
  readonly agent: Agent;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** With a body the request is a POST, else a GET. */
  readonly body?: string | undefined;
  readonly callTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type ExchangeResult =
  | {
      readonly kind: 'reply';
      readonly httpStatus: number;
      readonly headers: ResponseHeaders;
      readonly bodyText: string;
    }
  | { readonly kind: 'no_reply'; readonly networkError: string };

/** Throws LEAN_CALL_ABORTED when `signal` ended the call; every other failure is a result. */
export async function exchange({
  agent,
  url,
  headers,
  body,
  callTimeoutMs,
  signal,
}: Exchange): Promise<ExchangeResult> {
  const deadline = AbortSignal.timeout(callTimeoutMs);
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: body === undefined ? 'GET' : 'POST',
      headers,
      body: body ?? null,
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    const bodyText = await response.body.text();
    return { kind: 'reply', httpStatus: response.statusCode, headers: response.headers, bodyText };
  } catch (error) {
    if (signal?.aborted === true) throw new AppError('LEAN_CALL_ABORTED', 'the call to Lean was given up');
    return { kind: 'no_reply', networkError: deadline.aborted ? 'CALL_DEADLINE' : readErrorCode(error) };
  }
}

/** The first stable code on the way down the causes. */
function readErrorCode(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 5) return 'UNKNOWN';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return readErrorCode(error.cause, depth + 1);
}
