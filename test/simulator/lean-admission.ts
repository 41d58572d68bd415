// Who may call the simulated Lean: the client certificate, the app token, the bearer token, in Lean's order and with its
// refusals. What Lean answers to a bad bearer token is not documented; its body must not matter to anybody.
import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { createTokenDesk, type OAuthOptions } from './lean-tokens.ts';
import { failure, type ApiReply, type ApiWorld } from './route-helpers.ts';

/** Which credentials came with a call, right or wrong. */
export type PresentedCredentials = 'none' | 'app-token' | 'bearer' | 'both';

export interface Admission {
  judge(request: IncomingMessage): {
    credentials: PresentedCredentials;
    /** A valid bearer token is there. */
    hasBearer: boolean;
    /** Null lets the call in. */
    refused: ApiReply | null;
  };
  answerTokenCall(request: { method: string; body: string }): ApiReply;
  expireTokens(): void;
}

interface AdmissionOptions {
  pki: { application: { certPem: string } };
  appToken: string;
  requireClientCertificate: boolean;
  oauth?: OAuthOptions;
  accepts?: 'app-token' | 'bearer' | 'either' | 'both';
}

export function createAdmission(world: ApiWorld, options: AdmissionOptions): Admission {
  const { appToken, oauth, requireClientCertificate } = options;
  const { accepts = oauth ? 'either' : 'app-token' } = options;
  const fingerprint = new X509Certificate(options.pki.application.certPem).fingerprint256;
  const desk = createTokenDesk({
    oauth: { clientId: appToken, clientSecret: '', expiresInSeconds: 3599, ...oauth },
    seed: world.customers.seed,
    nowMs: () => world.nowMs(),
  });

  function refuse(request: IncomingMessage): ApiReply | null {
    const certificate = requireClientCertificate ? refuseCertificate(request) : null;
    if (certificate) return certificate;
    const hasAppToken = request.headers['lean-app-token'] === appToken;
    const bearer = desk.judge(request.headers.authorization);
    if (bearer === 'wrong_scope') {
      const message = 'The scope of the token does not suffice.';
      return failure(world, { httpStatus: 403, status: 'INSUFFICIENT_ACCESS_LEVEL', message });
    }
    if (bearer === 'expired' || bearer === 'invalid') return unauthorized(`The bearer token is ${bearer}.`);
    const isIn = {
      'app-token': hasAppToken,
      bearer: bearer === 'valid',
      either: hasAppToken || bearer === 'valid',
      both: hasAppToken && bearer === 'valid',
    };
    if (isIn[accepts]) return null;
    if (accepts !== 'app-token') return unauthorized('Credentials are missing or wrong.');
    const status = requireClientCertificate ? 'CERTIFICATE_TOKEN_MISMATCH' : 'UNAUTHORIZED';
    return failure(world, { httpStatus: 401, status, message: 'The lean-app-token is missing or wrong.' });
  }

  function refuseCertificate({ socket }: IncomingMessage): ApiReply | null {
    if (!(socket instanceof TLSSocket) || !socket.authorized) {
      const message = 'No client certificate of ours was presented.';
      return failure(world, { httpStatus: 403, status: 'INVALID_CERTIFICATE', message });
    }
    if (socket.getPeerCertificate().fingerprint256 === fingerprint) return null;
    const message = 'The certificate does not belong to the app token.';
    return failure(world, { httpStatus: 401, status: 'CERTIFICATE_TOKEN_MISMATCH', message });
  }

  function unauthorized(message: string): ApiReply {
    return failure(world, { httpStatus: 401, status: 'UNAUTHORIZED', message });
  }

  return {
    judge(request) {
      const { authorization, 'lean-app-token': presentedAppToken } = request.headers;
      return {
        credentials: credentialsOf(presentedAppToken !== undefined, authorization !== undefined),
        hasBearer: desk.judge(authorization) === 'valid',
        refused: refuse(request),
      };
    },
    answerTokenCall: (request) => desk.answer(request),
    expireTokens: () => desk.expireAll(),
  };
}

function credentialsOf(hasAppToken: boolean, hasBearer: boolean): PresentedCredentials {
  if (hasAppToken) return hasBearer ? 'both' : 'app-token';
  return hasBearer ? 'bearer' : 'none';
}
