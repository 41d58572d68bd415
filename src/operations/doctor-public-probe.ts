// Knocks at PUBLIC_URL as somebody who is not Lean: one GET, and one POST without certificate, signature or body.
// Sends no secret, and judges nothing itself.
import { request } from 'node:https';
import { TLSSocket } from 'node:tls';

export interface KnockAnswer {
  /** Whether a public authority vouches for the server under its name; null when TLS did not get so far. */
  readonly isTrusted: boolean | null;
  /** Why not, as OpenSSL or node call it. */
  readonly trustError: string | null;
  /** Null when no answer came. */
  readonly httpStatus: number | null;
  /** The `code` that a receiver's refusal holds; null where the answer is somebody else's. */
  readonly refusalCode: string | null;
  /** The stable code of what ended the connection; null when an answer came. */
  readonly networkError: string | null;
}

export interface KnockOptions {
  readonly method: 'GET' | 'POST';
  readonly answerMs: number;
  /** PEM: who may vouch for a server. */
  readonly authorities: readonly string[];
}

/** A receiver's refusals are shorter; no more of a stranger's page is read. */
const bodyBytes = 256;

/** Never throws. */
export function knock(url: string, { method, answerMs, authorities }: KnockOptions): Promise<KnockAnswer> {
  const trust: { isTrusted: boolean | null; trustError: string | null } = {
    isTrusted: null,
    trustError: null,
  };
  return new Promise((resolve) => {
    const end = (answer: Omit<KnockAnswer, keyof typeof trust>) => resolve({ ...trust, ...answer });
    const sent = request(url, {
      method,
      headers: { 'content-length': '0', 'user-agent': 'lean-webhook-receiver doctor' },
      agent: false,
      ca: [...authorities],
      minVersion: 'TLSv1.2',
      // What is wrong with the certificate is wanted as an answer, and nothing secret is sent.
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(answerMs),
    });
    sent.once('socket', (socket) => {
      if (!(socket instanceof TLSSocket)) return;
      socket.once('secureConnect', () => {
        trust.isTrusted = socket.authorized;
        trust.trustError = socket.authorized ? null : String(socket.authorizationError);
      });
    });
    sent.once('response', (response) => {
      const httpStatus = response.statusCode ?? null;
      let body = '';
      const answered = () => end({ httpStatus, refusalCode: refusalCodeOf(body), networkError: null });
      response.setEncoding('latin1').on('data', (chunk: string) => {
        body += chunk;
        if (body.length >= bodyBytes) response.destroy();
      });
      // An answer that is broken off has been an answer all the same.
      response.on('error', () => undefined).once('close', answered);
    });
    sent.on('error', (error) => end({ httpStatus: null, refusalCode: null, networkError: codeOf(error) }));
    sent.end();
  });
}

/** As receiver/answers.ts writes it. */
function refusalCodeOf(body: string): string | null {
  return /^\{"code":"((?:CERTIFICATE|SIGNATURE)_[A-Z_]{1,40})"\}$/.exec(body)?.[1] ?? null;
}

function codeOf(error: Error): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'NO_ANSWER';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
}
