// Which of Lean's hosts a deployment calls, from its environment, region and credentials. The only place that knows
// their names.

interface Deployment {
  readonly environment: 'sandbox' | 'production';
  readonly region: 'ae' | 'sa';
}

export interface HostQuestion extends Deployment {
  readonly hasCertificate: boolean;
  /** OAuth2 client credentials beside the app token. */
  readonly hasClientSecret: boolean;
  /** Overrides, as LEAN_API_URL gives it. */
  readonly apiUrl?: string | undefined;
}

/**
 * The API's address without a slash at the end. Production with OAuth2 lives on `api2`; the sandbox asks for
 * certificates on `mtls.sandbox` only.
 */
export function leanApiUrl(question: HostQuestion): string {
  const { environment, hasCertificate, hasClientSecret, apiUrl } = question;
  if (apiUrl !== undefined) return withoutSlash(apiUrl);
  const domain = domainOf(question);
  if (environment === 'sandbox') return `https://${hasCertificate ? 'mtls.' : ''}sandbox.${domain}`;
  return `https://${hasClientSecret ? 'api2' : 'api'}.${domain}`;
}

export interface AuthHostQuestion extends Deployment {
  /** Overrides, as LEAN_AUTH_URL gives it. */
  readonly authUrl?: string | undefined;
}

/** The address of the host that hands out tokens, without a slash at the end. */
export function leanAuthUrl(question: AuthHostQuestion): string {
  if (question.authUrl !== undefined) return withoutSlash(question.authUrl);
  return `https://auth.${question.environment === 'sandbox' ? 'sandbox.' : ''}${domainOf(question)}`;
}

function domainOf({ region }: Deployment): string {
  return region === 'sa' ? 'sa.leantech.me' : 'leantech.me';
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? withoutSlash(url.slice(0, -1)) : url;
}
