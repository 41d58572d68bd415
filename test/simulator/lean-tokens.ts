// Lean's token endpoint (OAuth2 client credentials) and the judgement of what it gave out. Tokens are random text in the
// form of a JWT that nobody can verify. The bodies of its refusals are those of RFC 6749: Lean documents none.
import { createRandom } from './random.ts';

export interface OAuthOptions {
  /** Default: the app token, as at Lean. */
  clientId?: string;
  clientSecret: string;
  /** Default: Lean's 3599. */
  expiresInSeconds?: number;
}

export type BearerJudgement = 'absent' | 'valid' | 'invalid' | 'expired' | 'wrong_scope';

export interface TokenDesk {
  /** Answers `POST /oauth2/token`. */
  answer(request: { method: string; body: string }): { httpStatus: number; body: string };
  /** Of an `authorization` header. */
  judge(authorization: string | undefined): BearerJudgement;
  /** Every token given out so far is over, as after a new secret. */
  expireAll(): void;
  /** How many tokens were given out. */
  readonly issued: number;
}

interface TokenDeskOptions {
  oauth: Required<OAuthOptions>;
  seed: string;
  nowMs: () => number;
}

export function createTokenDesk({ oauth, seed, nowMs }: TokenDeskOptions): TokenDesk {
  const random = createRandom(`${seed}/tokens`);
  const tokens = new Map<string, { scope: string; expiresAtMs: number }>();

  function issue(scope: string) {
    const { clientId, expiresInSeconds } = oauth;
    const issuedAt = Math.floor(nowMs() / 1000);
    const claims = {
      sub: clientId,
      scope: scope === 'api' ? apiClaims : [scope],
      iat: issuedAt,
      exp: issuedAt + expiresInSeconds,
      jti: random.uuid(),
    };
    const parts = [{ alg: 'RS256', typ: 'JWT' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    );
    const token = [...parts, random.letters(86)].join('.');
    tokens.set(token, { scope, expiresAtMs: nowMs() + expiresInSeconds * 1000 });
    return { access_token: token, scope, token_type: 'Bearer', expires_in: expiresInSeconds };
  }

  return {
    answer({ method, body }) {
      if (method !== 'POST') return refusal(405, 'invalid_request');
      const form = new URLSearchParams(body);
      if (form.get('grant_type') !== 'client_credentials') return refusal(400, 'unsupported_grant_type');
      if (form.get('client_id') !== oauth.clientId || form.get('client_secret') !== oauth.clientSecret) {
        return refusal(401, 'invalid_client');
      }
      const scope = form.get('scope') ?? '';
      if (scope !== 'api' && !/^customer\.[^\s]+$/.test(scope)) return refusal(400, 'invalid_scope');
      return { httpStatus: 200, body: JSON.stringify(issue(scope)) };
    },
    judge(authorization) {
      if (authorization === undefined) return 'absent';
      const token = tokens.get(/^Bearer (.+)$/i.exec(authorization)?.[1] ?? '');
      if (!token) return 'invalid';
      if (token.expiresAtMs <= nowMs()) return 'expired';
      return token.scope === 'api' ? 'valid' : 'wrong_scope';
    },
    expireAll() {
      for (const token of tokens.values()) token.expiresAtMs = 0;
    },
    get issued() {
      return tokens.size;
    },
  };
}

function refusal(httpStatus: number, error: string) {
  return { httpStatus, body: JSON.stringify({ error }) };
}

const apiClaims = [
  'customer.read',
  'customer.write',
  'data.read',
  'webhook.read',
  'payment.read',
  'bank.read',
];
