// `ops -- doctor`: what Lean meets at PUBLIC_URL: a trusted certificate, the right path, and a refusal for strangers.
// Judges only; what is sent there is doctor-public-probe.ts's business.
import type { Config } from '../config/load-config.ts';
import { type DoctorLimits, ok, problem, skipped, warning, type DoctorFinding } from './doctor-finding.ts';
import { knock, type KnockAnswer } from './doctor-public-probe.ts';

export interface PublicLook extends Pick<DoctorLimits, 'answerMs'> {
  /** PEM: the authorities that a stranger trusts. */
  readonly authorities: readonly string[];
}

/** What a stranger must meet there, by the configuration. */
export interface PublicRules {
  /** Only then may the end of a handshake be a refusal. */
  readonly demandsCertificate: boolean;
  /** A load balancer has its own words for a caller without a certificate. */
  readonly isBehindProxy: boolean;
}

export async function lookAtPublicUrl(
  config: Config,
  { answerMs, authorities }: PublicLook,
): Promise<readonly DoctorFinding[]> {
  const { PUBLIC_URL: url, VERIFY: verify, WEBHOOK_PATH: path } = config;
  if (url === undefined)
    return [skipped('public url', 'PUBLIC_URL is not set: give it the Webhook URL of Lean’s dashboard')];
  const rules: PublicRules = {
    demandsCertificate: verify?.includes('certificate') === true,
    isBehindProxy: config.TLS_TERMINATION === 'proxy',
  };
  // Two, one after the other.
  const options = { answerMs: Math.round(answerMs / 2), authorities };
  const got = await knock(url, { ...options, method: 'GET' });
  const reach = judgePublicTls(got, rules);
  if (got.isTrusted === null && reach.state === 'problem') return [reach];
  const where = judgePublicPath(got, { ...rules, asked: new URL(url).pathname, path });
  // Without verification the stranger's request would be taken for Lean's, and kept.
  if (verify === undefined)
    return [reach, where, skipped('public stranger', 'VERIFY is not known, so no stranger was tried')];
  if (verify === 'none') return [reach, where, everybodyIsLetIn];
  return [reach, where, judgeStranger(await knock(url, { ...options, method: 'POST' }), rules)];
}

const everybodyIsLetIn = warning('public stranger', {
  message: 'VERIFY=none: anybody is taken for Lean, so no stranger was tried',
  cure: 'Set VERIFY=certificate+signature, or signature.',
});

/** How a connection ended without an answer: by the demand for a certificate, in a way that may be one, or otherwise. */
type End = 'demand' | 'perhaps' | 'broken';

function endOf(
  { networkError }: KnockAnswer,
  { demandsCertificate }: Pick<PublicRules, 'demandsCertificate'>,
): End | null {
  if (networkError === null) return null;
  if (!demandsCertificate) return 'broken';
  if (/^ERR_SSL_.*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE)$/.test(networkError)) return 'demand';
  // Under TLS 1.2 the demand is a failed handshake, and a client that still writes may see no more than a reset.
  return /^(ECONNRESET|EPIPE|ERR_SSL_.*HANDSHAKE_FAILURE)$/.test(networkError) ? 'perhaps' : 'broken';
}

function perhapsRefused({ networkError }: KnockAnswer) {
  return {
    message:
      `ended without an answer (${networkError}): a receiver that demands a certificate does so, ` +
      'and so does a dead backend',
    cure: 'See that a receiver runs behind it and that Lean’s deliveries are accepted: its log, or /readyz.',
  };
}

export function judgePublicTls(got: KnockAnswer, rules: PublicRules): DoctorFinding {
  const check = 'public tls';
  const { isTrusted, trustError, networkError } = got;
  if (isTrusted === true) return ok(check, 'its certificate is trusted under its name, as seen from here');
  if (isTrusted === false)
    return problem(check, {
      message: `its certificate is refused: ${trustError}`,
      cure: 'Put a public authority’s certificate with all intermediates there (TLS_CERT_FILE, or the load balancer).',
    });
  const end = endOf(got, rules);
  if (end === 'demand')
    return ok(check, 'whoever has no certificate is refused in the handshake; ours was not seen');
  if (end === 'perhaps') return warning(check, perhapsRefused(got));
  return problem(check, {
    message: `cannot be reached from here: ${networkError}`,
    cure: 'Look at DNS, the load balancer, the firewall and whether a receiver runs; then at Lean’s dashboard.',
  });
}

export function judgePublicPath(
  got: KnockAnswer,
  { asked, path, ...rules }: PublicRules & { readonly asked: string; readonly path: string },
): DoctorFinding {
  const check = 'public path';
  const { httpStatus, networkError, refusalCode } = got;
  const cure =
    'Make PUBLIC_URL, Lean’s dashboard and WEBHOOK_PATH name one path, and see what the load balancer rewrites.';
  const end = endOf(got, rules);
  if (end === 'demand' || end === 'perhaps') {
    if (asked === path) return ok(check, 'is WEBHOOK_PATH; only a caller with a certificate could see it');
    return warning(check, { message: `is ${asked}, and WEBHOOK_PATH is ${path}`, cure });
  }
  if (httpStatus === 405) return ok(check, 'takes POST only, as a receiver does');
  if (httpStatus !== null && refusals.has(httpStatus)) {
    const message = `was refused with ${refusalCode ?? httpStatus} before the path was looked at`;
    // A load balancer that demands a certificate says so before it looks at the path.
    const isExpected = rules.demandsCertificate && rules.isBehindProxy;
    return isExpected || refusalCode !== null
      ? ok(check, message)
      : warning(check, { message: `${message}, and not by a receiver of this configuration`, cure });
  }
  const what =
    httpStatus === null ? `no answer came (${networkError})` : `a GET was answered ${httpStatus}, not 405`;
  return problem(check, { message: `${what}: it is not a receiver that answers there`, cure });
}

/** nginx says 400 to a caller without a certificate; a receiver 401 and 403. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403]);

export function judgeStranger(got: KnockAnswer, rules: PublicRules): DoctorFinding {
  const check = 'public stranger';
  const { httpStatus, networkError, refusalCode } = got;
  const end = endOf(got, rules);
  if (end === 'demand') return ok(check, 'is refused in the handshake');
  if (end === 'perhaps') return warning(check, perhapsRefused(got));
  const cure =
    'Look at the receiver and the load balancer: a refusal is 401, 403, or the end of the handshake.';
  if (end === 'broken')
    return problem(check, { message: `got no answer, and no refusal either: ${networkError}`, cure });
  if (httpStatus === 200)
    return problem(check, {
      message: 'IS LET IN: an empty delivery without certificate and signature was answered 200',
      cure:
        'Somebody else answers there, or a receiver with another VERIFY: compare the settings of every receiver. ' +
        'What was sent now ends in quarantine as EVENT_NOT_JSON.',
    });
  if (httpStatus !== null && refusals.has(httpStatus)) {
    if (refusalCode !== null) return ok(check, `is refused with ${httpStatus} ${refusalCode}`);
    if (httpStatus === 400 && rules.demandsCertificate && rules.isBehindProxy)
      return ok(check, 'is refused with 400, by the load balancer');
    return warning(check, { message: `is refused with ${httpStatus}, but not by a receiver`, cure });
  }
  return warning(check, { message: `was neither let in nor refused: ${httpStatus}`, cure });
}
