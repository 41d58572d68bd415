// Which of Lean's hosts a deployment calls, from its environment, region and credentials. The only place that knows
// their names.

export interface HostQuestion {
  readonly environment: 'sandbox' | 'production';
  readonly region: 'ae' | 'sa';
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
  const { environment, region, hasCertificate, hasClientSecret, apiUrl } = question;
  if (apiUrl !== undefined) return withoutSlash(apiUrl);
  const domain = region === 'sa' ? 'sa.leantech.me' : 'leantech.me';
  if (environment === 'sandbox') return `https://${hasCertificate ? 'mtls.' : ''}sandbox.${domain}`;
  return `https://${hasClientSecret ? 'api2' : 'api'}.${domain}`;
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? withoutSlash(url.slice(0, -1)) : url;
}
