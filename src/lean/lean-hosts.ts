// Which of Lean's hosts a deployment calls, from its environment, region and credentials. The only place that knows
// their names.

export interface HostQuestion {
  readonly environment: 'sandbox' | 'production';
  readonly region: 'ae' | 'sa';
  readonly hasCertificate: boolean;
  /** OAuth2 client credentials beside the app token. */
  readonly hasClientSecret: boolean;
  /** Overrides, as LEAN_API_URL and LEAN_AUTH_URL give them. */
  readonly apiUrl?: string | undefined;
  readonly authUrl?: string | undefined;
}

export interface LeanHosts {
  /** Without a slash at the end. */
  readonly apiUrl: string;
  readonly authUrl: string;
  /** Whether the API host takes no call without our certificate. */
  readonly needsCertificate: boolean;
}

/** Production with OAuth2 lives on `api2`; the sandbox asks for certificates on `mtls.sandbox` only. */
export function leanHosts(question: HostQuestion): LeanHosts {
  const { environment, region, hasCertificate, hasClientSecret } = question;
  const domain = region === 'sa' ? 'sa.leantech.me' : 'leantech.me';
  const isSandbox = environment === 'sandbox';
  const sandboxHost = `${hasCertificate ? 'mtls.' : ''}sandbox.${domain}`;
  const productionHost = `${hasClientSecret ? 'api2' : 'api'}.${domain}`;
  const authHost = isSandbox ? `auth.sandbox.${domain}` : `auth.${domain}`;
  return {
    apiUrl: withoutSlash(question.apiUrl ?? `https://${isSandbox ? sandboxHost : productionHost}`),
    authUrl: withoutSlash(question.authUrl ?? `https://${authHost}`),
    needsCertificate: !isSandbox && !hasClientSecret,
  };
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? withoutSlash(url.slice(0, -1)) : url;
}
