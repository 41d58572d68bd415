// `ops -- doctor`: certificates beyond what `certificates check` says: does ours lead to an authority that others trust,
// does it bear the right name, is it for the purpose. Reads files only and never shows a key.
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { VariableName } from '../config/env-schema.ts';
import type { Config } from '../config/load-config.ts';
import { describeCertificate, loadCaBundle, loadKeyPair } from '../tls/tls-material.ts';
import type { DoctorRole } from './doctor-configuration.ts';
import { ok, problem, skipped, warning, type DoctorFinding } from './doctor-finding.ts';
import { checkCertificates, type Finding } from './ops-certificates.ts';

/** Extended key usages, RFC 5280 section 4.2.1.12. */
const purposes = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

const subjectsOf: Readonly<Record<DoctorRole, readonly Finding['subject'][]>> = {
  receiver: ['server pair', 'lean chain', 'revocation lists', 'client names'],
  worker: ['application pair', 'lean chain'],
};

const cures: Readonly<Record<Finding['subject'], string>> = {
  'server pair': 'Put a new certificate with its intermediates in TLS_CERT_FILE and its key in TLS_KEY_FILE.',
  'application pair':
    'Issue a new certificate in Lean’s dashboard: LEAN_CERT_FILE and LEAN_KEY_FILE, in place.',
  'lean chain': 'Download lean_public_cert_chain.pem from Lean’s dashboard again: LEAN_CA_FILE.',
  'revocation lists':
    'Fetch a current list for every authority of the chain into LEAN_CRL_FILE, or unset it.',
  'client names': 'Set LEAN_CLIENT_NAMES as the README says under "Certificates and rotation".',
};

/** What decides how a subject is judged; while it is wrong, nothing true can be said. */
const neededBy: Readonly<Partial<Record<Finding['subject'], readonly VariableName[]>>> = {
  'server pair': ['TLS_TERMINATION'],
  'client names': ['LEAN_CLIENT_NAMES', 'LEAN_CLIENT_PURPOSE', 'VERIFY'],
};

export interface CertificatesLook {
  readonly asked: readonly DoctorRole[];
  readonly now: Date;
  /** PEM: the authorities that everybody trusts. */
  readonly authorities: readonly string[];
  readonly isWrong: (name: VariableName) => boolean;
}

/** What has expired, does not match or is missing; then purposes, names and chains of the two pairs. Throws TLS_MATERIAL_INVALID. */
export async function judgeCertificates(
  config: Config,
  look: CertificatesLook,
): Promise<readonly DoctorFinding[]> {
  const { asked, now, isWrong } = look;
  const subjects = new Set(asked.flatMap((role) => subjectsOf[role]));
  if (config.TLS_TERMINATION === 'proxy') subjects.delete('server pair');
  const unknown = [...subjects].flatMap((subject) => {
    const names = neededBy[subject]?.filter(isWrong) ?? [];
    return names.length === 0
      ? []
      : [{ subject, finding: skipped(subject, `first mend ${names.join(', ')}`) }];
  });
  for (const { subject } of unknown) subjects.delete(subject);
  const checked = (await checkCertificates(config, now)).filter(({ subject }) => subjects.has(subject));
  const isGood = (subject: Finding['subject']) =>
    subjects.has(subject) &&
    checked.every((finding) => finding.subject !== subject || finding.state !== 'problem');
  const none: readonly DoctorFinding[] = [];
  const ownServer = isGood('server pair') ? await judgeServerPair(config, look) : none;
  const ownClient = isGood('application pair') ? await judgeApplicationPair(config, now) : none;
  return [
    ...checked.map(findingOfCheck),
    ...unknown.map(({ finding }) => finding),
    ...ownServer,
    ...ownClient,
  ];
}

function findingOfCheck({ subject, state, message }: Finding): DoctorFinding {
  if (state === 'ok') return ok(subject, message);
  const ill = { message, cure: cures[subject] };
  return state === 'warning' ? warning(subject, ill) : problem(subject, ill);
}

async function judgeServerPair(
  config: Config,
  { now, authorities }: Pick<CertificatesLook, 'now' | 'authorities'>,
): Promise<readonly DoctorFinding[]> {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, PUBLIC_URL: url } = config;
  if (certFile === undefined || keyFile === undefined) return [];
  const pair = await loadKeyPair({ certFile, keyFile, now });
  const check = 'server certificate';
  const cure = cures['server pair'];
  const host = url === undefined ? null : new URL(url).hostname.replace(/^\[|\]$/g, '');
  if (!isFor(pair.leaf, 'server'))
    return [problem(check, { message: 'is not for servers: callers refuse it', cure })];
  if (host !== null && !bearsName(pair.leaf, host))
    return [problem(check, { message: `does not bear ${host}, the host of PUBLIC_URL`, cure })];
  const roots = authorities.map((pem) => new X509Certificate(pem));
  const fault = pathFault(pair.certificates, { roots, now });
  if (fault !== null) {
    const message = `its file does not lead to a public authority, and Lean can only trust one: ${fault}`;
    const cureFile =
      'Put the intermediates of today behind it in TLS_CERT_FILE, as the authority gives them.';
    return [warning(check, { message, cure: cureFile })];
  }
  const named = host === null ? 'its name was not compared: PUBLIC_URL is not set' : `bears ${host}`;
  return [ok(check, `is for servers, ${named}, and leads to a public authority`)];
}

async function judgeApplicationPair(config: Config, now: Date): Promise<readonly DoctorFinding[]> {
  const { LEAN_CERT_FILE: certFile, LEAN_KEY_FILE: keyFile, LEAN_CA_FILE: caFile } = config;
  if (certFile === undefined || keyFile === undefined) return [];
  const pair = await loadKeyPair({ certFile, keyFile, now });
  const check = 'application certificate';
  const cure = cures['application pair'];
  if (!isFor(pair.leaf, 'client'))
    return [problem(check, { message: 'is not for clients: Lean refuses it', cure })];
  if (caFile === undefined)
    return [ok(check, 'is for clients; whether Lean issued it was not looked at: LEAN_CA_FILE is not set')];
  const { certificates } = await loadCaBundle({ file: caFile, now });
  const fault = pathFault(pair.certificates, { roots: certificates, now });
  if (fault === null) return [ok(check, 'is for clients, and of the chain in LEAN_CA_FILE')];
  const message = `was not issued by the chain in LEAN_CA_FILE (${fault}): another environment’s, or another certificate`;
  return [warning(check, { message, cure })];
}

/** node:crypto calls the extended usages `keyUsage`; a certificate without any is for every purpose. */
function isFor({ keyUsage }: X509Certificate, purpose: keyof typeof purposes): boolean {
  const usages: readonly string[] | undefined = keyUsage;
  return usages === undefined || usages.length === 0 || usages.includes(purposes[purpose]);
}

function bearsName(leaf: X509Certificate, host: string): boolean {
  return (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined;
}

/** Null when the leaf leads, through what is valid now, to one of `roots`, which may be a link of the chain too. */
function pathFault(
  chain: readonly X509Certificate[],
  { roots, now }: { readonly roots: readonly X509Certificate[]; readonly now: Date },
): string | null {
  const isCurrent = (certificate: X509Certificate) =>
    certificate.validFromDate <= now && now <= certificate.validToDate;
  if (leadsTo(chain.filter(isCurrent), roots.filter(isCurrent))) return null;
  const stale = chain.filter((certificate) => !isCurrent(certificate));
  if (stale.length === 0 || !leadsTo(chain, roots)) return 'a link is missing';
  const named = stale.map((certificate) => describeCertificate(certificate, now));
  return `not valid now: ${named.map(({ subject, notAfter }) => `${subject}, until ${notAfter}`).join('; ')}`;
}

/** From the leaf up through the others, by any of the ways there may be. */
function leadsTo([leaf, ...others]: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  if (leaf === undefined) return false;
  if (roots.some((root) => root.fingerprint256 === leaf.fingerprint256 || isIssuer(root, leaf))) return true;
  return others.some(
    (other) =>
      isIssuer(other, leaf) && leadsTo([other, ...others.filter((further) => further !== other)], roots),
  );
}

function isIssuer(issuer: X509Certificate, issued: X509Certificate): boolean {
  return issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}
