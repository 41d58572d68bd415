// The rules about who gets in: VERIFY and its shadow, what each method needs, and whose word a proxy's header is.
// Works on the texts, so that every problem shows at once; never lets a certificate be believed from anybody.
import type { VariableName } from './env-schema.ts';
import { textOf, type ConfigWarning, type Problem, type Texts } from './config-texts.ts';

export function callerProblems(texts: Texts): Problem[] {
  const verify = texts.VERIFY ?? '';
  return [
    ...(verify === 'none' && texts.LEAN_ENVIRONMENT !== 'sandbox' ? [noneInProduction] : []),
    ...certificateProblems(texts),
    ...(verify.includes('signature') ? missing(texts, ['LEAN_WEBHOOK_SECRET'], `VERIFY=${verify}`) : []),
    ...shadowProblems(texts),
    ...terminationProblems(texts),
    ...(texts.PROXY_PROTOCOL === 'on' ? missing(texts, ['TRUSTED_PROXIES'], 'PROXY_PROTOCOL=on') : []),
  ];
}

const noneInProduction: Problem = ['VERIFY', 'may be none only with LEAN_ENVIRONMENT=sandbox'];

function missing(texts: Texts, names: readonly VariableName[], when: string): Problem[] {
  return names
    .filter((name) => texts[name] === undefined)
    .map((name): Problem => [name, `is required with ${when}`]);
}

function certificateProblems(texts: Texts): Problem[] {
  const { VERIFY: verify = '', LEAN_CLIENT_NAMES: names } = texts;
  const problems = verify.includes('certificate')
    ? missing(texts, ['LEAN_CA_FILE', 'LEAN_CLIENT_NAMES'], `VERIFY=${verify}`)
    : [];
  const pinsNoKey = names?.split(',').every((name) => !name.trim().startsWith('sha256/')) ?? false;
  if (judgesCertificate(texts) && texts.LEAN_CLIENT_PURPOSE === 'serverAuth' && pinsNoKey)
    problems.push(['LEAN_CLIENT_NAMES', 'needs a sha256/ entry with LEAN_CLIENT_PURPOSE=serverAuth']);
  return problems;
}

/** What the other method needs to be judged; no LEAN_CLIENT_NAMES, because that is what its operator wants to learn. */
function shadowProblems(texts: Texts): Problem[] {
  const { VERIFY: verify = '', VERIFY_SHADOW: shadow } = texts;
  if (shadow === undefined) return [];
  if (verify.includes(shadow))
    return [['VERIFY_SHADOW', `names ${shadow}, which VERIFY=${verify} has already`]];
  if (shadow === 'signature') return missing(texts, ['LEAN_WEBHOOK_SECRET'], 'VERIFY_SHADOW=signature');
  return missing(texts, ['LEAN_CA_FILE'], 'VERIFY_SHADOW=certificate');
}

function terminationProblems(texts: Texts): Problem[] {
  if (textOf(texts, 'TLS_TERMINATION') === 'receiver') {
    const problems = missing(texts, ['TLS_CERT_FILE', 'TLS_KEY_FILE'], 'TLS_TERMINATION=receiver');
    if (texts.FORWARDED_CERT_HEADER !== undefined)
      problems.push([
        'FORWARDED_CERT_HEADER',
        'is for TLS_TERMINATION=proxy; here the connection itself shows it',
      ]);
    return problems;
  }
  if (!judgesCertificate(texts)) return [];
  const when = 'TLS_TERMINATION=proxy when a certificate is judged';
  const problems = missing(texts, ['FORWARDED_CERT_HEADER', 'TRUSTED_PROXIES'], when);
  return texts.PROXY_PROTOCOL === 'on' ? [...problems, anybodysHeader] : problems;
}

/** What sends the PROXY header is the peer, so it would be the one to be believed about certificates. */
const anybodysHeader: Problem = [
  'PROXY_PROTOCOL',
  'cannot be on where a certificate is forwarded: a TCP load balancer passes on anybody’s header',
];

function judgesCertificate({ VERIFY: verify, VERIFY_SHADOW: shadow }: Texts): boolean {
  return verify?.includes('certificate') === true || shadow === 'certificate';
}

function hasShortSecret({ LEAN_WEBHOOK_SECRET: secrets }: Texts): boolean {
  return secrets?.split(',').some((secret) => secret.trim().length < leastSecretCharacters) ?? false;
}

export function callerWarnings(texts: Texts): ConfigWarning[] {
  const behindProxy = texts.TLS_TERMINATION === 'proxy';
  const readsHeader = behindProxy && judgesCertificate(texts);
  const found: readonly (ConfigWarning | false)[] = [
    texts.VERIFY === 'certificate' && certificateAlone,
    texts.VERIFY === 'certificate' && behindProxy && certificateAloneBehindProxy,
    texts.VERIFY === 'none' && nothingVerified,
    behindProxy && !readsHeader && texts.FORWARDED_CERT_HEADER !== undefined && headerUnused,
    texts.TRUSTED_PROXIES !== undefined && !readsHeader && texts.PROXY_PROTOCOL !== 'on' && proxiesUnused,
    behindProxy && texts.TLS_CERT_FILE !== undefined && ownTlsUnused,
    hasShortSecret(texts) && secretShort,
  ];
  return found.filter((warning) => warning !== false);
}

const certificateAlone: ConfigWarning = {
  code: 'ADDRESSEE_UNPROVEN',
  variable: 'VERIFY',
  problem: 'proves the sender, not that an event is meant for us: certificate+signature proves both',
};
const certificateAloneBehindProxy: ConfigWarning = {
  code: 'CERTIFICATE_ALONE_BEHIND_PROXY',
  variable: 'VERIFY',
  problem: 'a certificate is public: ANYBODY who reaches this port past the proxy can send it',
};
const nothingVerified: ConfigWarning = {
  variable: 'VERIFY',
  problem: 'is none: ANYBODY who reaches this port is taken for Lean',
};
const headerUnused: ConfigWarning = {
  variable: 'FORWARDED_CERT_HEADER',
  problem: 'is not read: neither VERIFY nor VERIFY_SHADOW needs a certificate',
};
const ownTlsUnused: ConfigWarning = {
  variable: 'TLS_CERT_FILE',
  problem: 'is not used with TLS_TERMINATION=proxy: plain HTTP is spoken here, and TLS ends at the proxy',
};
const leastSecretCharacters = 16;
const secretShort: ConfigWarning = {
  variable: 'LEAN_WEBHOOK_SECRET',
  problem: `holds a secret of fewer than ${leastSecretCharacters} characters, which can be guessed: was it cut off?`,
};
const proxiesUnused: ConfigWarning = {
  variable: 'TRUSTED_PROXIES',
  problem: 'is used by nothing: no forwarded certificate is read, and PROXY_PROTOCOL is off',
};
