// `npm run ops -- certificates check`: would the configured certificates, keys and lists let the service start and go on?
// Reads files only; never connects anywhere and never shows a key.
import type { Config } from '../config/load-config.ts';
import { AppError } from '../core/app-error.ts';
import { describeCertificate, loadCaBundle, loadCrls, loadKeyPair } from '../tls/tls-material.ts';

export interface Finding {
  readonly subject: 'server pair' | 'application pair' | 'lean chain' | 'revocation lists' | 'client names';
  readonly state: 'ok' | 'warning' | 'problem';
  readonly message: string;
}

type Judgement = Omit<Finding, 'subject'>;

const dayMs = 86_400_000;
/** Time to order a certificate, and to fetch a list. */
const certificateNoticeDays = 30;
const crlNoticeDays = 7;

/** At least one finding for each kind of material; what is not configured is `ok` unless VERIFY needs it. */
export async function checkCertificates(config: Config, now: Date): Promise<Finding[]> {
  const asksForCertificate = config.VERIFY?.includes('certificate') === true;
  const checks: readonly (readonly [Finding['subject'], Promise<Judgement[]> | Judgement[]])[] = [
    ['server pair', checkPair({ certFile: config.TLS_CERT_FILE, keyFile: config.TLS_KEY_FILE, now })],
    ['application pair', checkPair({ certFile: config.LEAN_CERT_FILE, keyFile: config.LEAN_KEY_FILE, now })],
    ['lean chain', checkBundle({ file: config.LEAN_CA_FILE, isNeeded: asksForCertificate, now })],
    ['revocation lists', checkLists(config.LEAN_CRL_FILE, now)],
    ['client names', checkNames(config, asksForCertificate)],
  ];
  const findings = checks.map(async ([subject, judging]) =>
    (await judging).map(({ state, message }): Finding => ({ subject, state, message })),
  );
  return (await Promise.all(findings)).flat();
}

/** The exit code: 0 ok, 1 warning, 2 problem. */
export function exitCodeOf(findings: readonly { readonly state: string }[]): number {
  if (findings.some(({ state }) => state === 'problem')) return 2;
  return findings.some(({ state }) => state === 'warning') ? 1 : 0;
}

async function checkPair(pair: {
  certFile: string | undefined;
  keyFile: string | undefined;
  now: Date;
}): Promise<Judgement[]> {
  const { certFile, keyFile, now } = pair;
  if (certFile === undefined && keyFile === undefined) return [notConfigured];
  if (certFile === undefined || keyFile === undefined)
    return [problem(`only the ${certFile === undefined ? 'key' : 'certificate'} is configured`)];
  return judged(async () => {
    const { leaf } = await loadKeyPair({ certFile, keyFile, now });
    const { subject, notAfter, daysLeft } = describeCertificate(leaf, now);
    return [dated(`${subject} matches its key`, { notAfter, daysLeft, noticeDays: certificateNoticeDays })];
  });
}

function checkBundle(bundle: {
  file: string | undefined;
  isNeeded: boolean;
  now: Date;
}): Promise<Judgement[]> | Judgement[] {
  const { file, isNeeded, now } = bundle;
  if (file === undefined) return [isNeeded ? problem('LEAN_CA_FILE is needed by VERIFY') : notConfigured];
  return judged(async () => {
    const { certificates, trust } = await loadCaBundle({ file, now });
    const roots = new Set(trust.roots.map(({ sha256 }) => sha256));
    const unusable = new Map(trust.unusable.map(({ index, reason }) => [index, reason]));
    return certificates.map((certificate, index) => {
      const { subject, sha256, notAfter, daysLeft } = describeCertificate(certificate, now);
      const reason = unusable.get(index);
      if (reason !== undefined)
        return warning(`certificate ${index + 1} (${subject}) is not used: ${reason}`);
      const what = `${roots.has(sha256) ? 'root' : 'intermediate'} ${subject}, SHA-256 ${sha256}`;
      return dated(what, { notAfter, daysLeft, noticeDays: certificateNoticeDays });
    });
  });
}

function checkLists(file: string | undefined, now: Date): Promise<Judgement[]> | Judgement[] {
  if (file === undefined) return [notConfigured];
  return judged(async () => {
    const { lists } = (await loadCrls(file)).lists;
    return lists.map(({ thisUpdateMs, nextUpdateMs }, index) => {
      const what = `list ${index + 1}`;
      if (thisUpdateMs > now.getTime())
        return problem(`${what} is not valid yet: every delivery would be refused`);
      if (nextUpdateMs <= now.getTime())
        return problem(`${what} is outdated: every delivery would be refused`);
      const daysLeft = Math.floor((nextUpdateMs - now.getTime()) / dayMs);
      const notAfter = new Date(nextUpdateMs).toISOString();
      return dated(what, { notAfter, daysLeft, noticeDays: crlNoticeDays });
    });
  });
}

function checkNames(
  { LEAN_CLIENT_NAMES: names, LEAN_CLIENT_PURPOSE: purpose }: Config,
  isNeeded: boolean,
): Judgement[] {
  if (names === undefined)
    return [isNeeded ? problem('LEAN_CLIENT_NAMES is needed by VERIFY') : notConfigured];
  const keys = names.filter(({ kind }) => kind === 'spki').length;
  if (purpose === 'serverAuth' && keys === 0)
    return [problem('LEAN_CLIENT_PURPOSE=serverAuth needs a sha256/ entry')];
  return [{ state: 'ok', message: `${names.length - keys} by name, ${keys} by key` }];
}

/** Material that does not load is what is being looked for, not a failure of the command. */
async function judged(judge: () => Promise<Judgement[]>): Promise<Judgement[]> {
  try {
    return await judge();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [problem(error.message)];
  }
}

function dated(
  what: string,
  { notAfter, daysLeft, noticeDays }: { notAfter: string; daysLeft: number; noticeDays: number },
): Judgement {
  const message = `${what}, until ${notAfter} (${daysLeft} days)`;
  return daysLeft < noticeDays ? warning(message) : { state: 'ok', message };
}

const notConfigured: Judgement = { state: 'ok', message: 'not configured' };

function warning(message: string): Judgement {
  return { state: 'warning', message };
}

function problem(message: string): Judgement {
  return { state: 'problem', message };
}
