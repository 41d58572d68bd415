// What the observer says of a caller: for people in a few lines, for programs as one JSON object a line.
// Never writes a character of a caller's that a terminal would obey, and never a byte of a body.
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SignatureVerdict } from '../lean/webhook-signature.ts';
import type { CertificateRefusal } from '../tls/judge-certificate.ts';
import { printLeafNames } from '../tls/leaf-pins.ts';
import type { Presentation } from '../tls/presented-certificate.ts';
import { describeCertificate } from '../tls/tls-material.ts';
import type { ObservedSide } from './ops-observe-side.ts';

export interface ObservedRequest {
  readonly at: Date;
  readonly remoteAddress: string;
  readonly method: string;
  readonly path: string;
  readonly presentation: Presentation;
  /** null: it is Lean's; undefined: there is nothing to judge it by. */
  readonly refusal: CertificateRefusal | null | undefined;
  readonly signature: SignatureVerdict | 'no secret' | 'body too large';
  /** Forwarding headers that arrived, believed or not. */
  readonly forwardingHeaders: readonly string[];
}

interface Form {
  readonly json: boolean;
}

interface LineForm extends Form {
  /** How many of its kind had no lines before it. */
  readonly leftOut: number;
}

/** Callers of one kind share a number of lines. From a closed list, whatever they send. */
export function kindOfRequest({ presentation, refusal, signature }: ObservedRequest): string {
  const verdict = refusal === null ? 'Lean' : (refusal?.reason ?? presentation.kind);
  return `request ${verdict} ${signature}`;
}

export function kindOfBroken(error: NodeJS.ErrnoException): string {
  const cause = error.code ?? '';
  return `broken ${causeWords.has(cause) ? cause : 'otherwise'}`;
}

/** Whether the certificate would have kept this caller out. Without anything to judge by it would not. */
export function wouldBeRefused({ refusal }: ObservedRequest): boolean {
  return refusal !== null && refusal !== undefined;
}

type Facts = readonly (readonly [name: string, value: string | undefined])[];

export function printRequest(observed: ObservedRequest, { json, leftOut }: LineForm): string {
  const at = observed.at.toISOString();
  const who = [observed.remoteAddress, observed.method, observed.path].map(cleaned);
  const facts = [
    ...describePresented(observed),
    ['signature', signatureWords[observed.signature]],
    ...advise(observed),
    ['left out', leftOut === 0 ? undefined : `${leftOut} of this kind before it`],
  ] as const;
  if (!json) return [`${at} ${who.join(' ')}`, ...linesOf(facts)].join('\n');
  const [remoteAddress, method, path] = who;
  const verdict = { code: observed.refusal?.code, reason: observed.refusal?.reason };
  return JSON.stringify({
    kind: 'request',
    at,
    remote_address: remoteAddress,
    method,
    path,
    ...verdict,
    ...objectOf(facts),
  });
}

/** A connection that never became a request. */
export function printBroken(
  broken: { error: NodeJS.ErrnoException; socket: Socket },
  { json, leftOut }: LineForm,
): string {
  const at = new Date().toISOString();
  const { error, socket } = broken;
  // Of a socket that is closed already the address is not known any more.
  const remoteAddress = cleaned(socket.remoteAddress ?? 'somebody');
  const cause = cleaned(error.code ?? error.name);
  return json
    ? JSON.stringify({
        kind: 'connection_broken',
        at,
        remote_address: remoteAddress,
        cause,
        left_out: leftOut || undefined,
      })
    : `${at} ${remoteAddress} sent no request: ${cause}${causeWords.get(cause) ?? ''}${leftOut > 0 ? `; ${leftOut} of this kind left out before it` : ''}`;
}

const causeWords: ReadonlyMap<string, string> = new Map([
  ['ECONNRESET', ' (broke off; perhaps it does not trust our certificate)'],
  ['ERR_SSL_HTTP_REQUEST', ' (plain HTTP where TLS is spoken)'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', ' (not TLS; perhaps a PROXY header)'],
  ['HPE_INVALID_METHOD', ' (not HTTP; perhaps TLS or a PROXY header)'],
]);

export function printStart(
  start: { url: string; side: Extract<ObservedSide, { kind: 'observing' }>; seconds: number },
  { json }: Form,
): string {
  const { url, side, seconds } = start;
  if (json) return JSON.stringify({ kind: 'listening', url, judged: side.judge !== null, seconds });
  return [
    `listening at ${url} for ${seconds} s; stop with Ctrl-C`,
    'Everybody gets 503 and nothing is kept: Lean sends a delivery again for three hours, so start the receiver again in time.',
    ...(side.judge === null ? ['LEAN_CA_FILE is not set: certificates are shown and not judged.'] : []),
  ].join('\n');
}

/** Only where somebody had no lines of his own. */
export function printEnd(
  end: { requests: number; broken: number; refused: number; leftOut: number },
  { json }: Form,
): string {
  const { requests, broken, refused, leftOut } = end;
  return json
    ? JSON.stringify({ kind: 'end', requests, connections_broken: broken, refused, left_out: leftOut })
    : `${requests} requests, ${refused} of them would be refused, and ${broken} broken connections; ${leftOut} of all were left out above`;
}

function describePresented({ presentation, refusal, forwardingHeaders }: ObservedRequest): Facts {
  const verdict = ['certificate', wordsOf(presentation, refusal)] as const;
  const headers = [
    'headers',
    forwardingHeaders.length > 0 ? forwardingHeaders.join(', ') : undefined,
  ] as const;
  if (presentation.kind !== 'presented') return [verdict, headers];
  const { identity, leafDer, sha256 } = presentation.presented;
  return [
    verdict,
    ['names', cleaned(printLeafNames(identity))],
    ['key', identity === null ? undefined : `sha256/${identity.spkiSha256}`],
    ...describeLeaf(leafDer),
    ['SHA-256', sha256],
    headers,
  ];
}

/** What OpenSSL cannot read has no subject to show. */
function describeLeaf(leafDer: Uint8Array): Facts {
  try {
    const leaf = new X509Certificate(leafDer);
    const { subject, notAfter } = describeCertificate(leaf, new Date());
    const issuer = leaf.issuer.split('\n').join(', ');
    return [
      ['subject', cleaned(subject)],
      ['issuer', cleaned(issuer)],
      ['not after', notAfter],
    ];
  } catch {
    return [['subject', 'cannot be read']];
  }
}

function wordsOf(presentation: Presentation, refusal: ObservedRequest['refusal']): string {
  if (refusal === null) return 'is Lean’s';
  if (refusal !== undefined) return `would be refused: ${refusal.code} ${refusal.reason}`;
  if (presentation.kind === 'absent') return 'none';
  return presentation.kind === 'unreadable' ? presentation.reason : 'not judged: LEAN_CA_FILE is not set';
}

const signatureWords = {
  valid: 'valid',
  invalid: 'invalid',
  missing: 'missing',
  'no secret': 'not judged: LEAN_WEBHOOK_SECRET is not set',
  'body too large': 'not judged: the body is over BODY_LIMIT_BYTES',
} as const satisfies Record<ObservedRequest['signature'], string>;

/** Which setting would let this caller in, and whether anything speaks for doing so. */
function advise({ presentation, refusal, signature, remoteAddress }: ObservedRequest): Facts {
  if (refusal === null) return [];
  if (presentation.kind === 'unreadable' && presentation.reason === 'PROXY_NOT_TRUSTED')
    return [
      ['paste', `TRUSTED_PROXIES=${cleaned(remoteAddress)}/${remoteAddress.includes(':') ? 128 : 32}`],
      ['only if', 'this address is your load balancer'],
    ];
  if (presentation.kind !== 'presented') return [];
  const setting = settingFor(presentation, refusal);
  if (setting === null) return [];
  if (signature === 'valid') return [['paste', setting]];
  if (signature !== 'no secret') return [];
  return [
    ['paste', setting],
    ['only if', 'you know that this was Lean; with LEAN_WEBHOOK_SECRET the signature would say'],
  ];
}

function settingFor(
  { presented: { identity } }: Extract<Presentation, { kind: 'presented' }>,
  refusal: CertificateRefusal | undefined,
): string | null {
  if (identity === null) return null;
  const pin = `sha256/${identity.spkiSha256}`;
  const [name] = [
    ...identity.names.dns.map((dns) => `dns:${dns}`),
    ...identity.names.uri.map((uri) => `uri:${uri}`),
  ];
  const isPastable = name !== undefined && !/[,\s]/.test(name) && cleaned(name) === name;
  const reason = refusal?.reason ?? 'NOT_ON_LIST';
  if (reason === 'NOT_ON_LIST') return `LEAN_CLIENT_NAMES=${isPastable ? name : pin}`;
  if (reason === 'KEY_PIN_REQUIRED') return `LEAN_CLIENT_NAMES=${pin}`;
  return reason === 'PURPOSE_NOT_ALLOWED' ? `LEAN_CLIENT_PURPOSE=serverAuth LEAN_CLIENT_NAMES=${pin}` : null;
}

const labelWidth = 12;

function linesOf(facts: Facts): string[] {
  return facts.flatMap(([name, value]) => (value ? [`  ${name.padEnd(labelWidth)}${value}`] : []));
}

function objectOf(facts: Facts): Record<string, string | undefined> {
  return Object.fromEntries(facts.map(([name, value]) => [name.toLowerCase().replace(/[ -]/g, '_'), value]));
}

const maxCharacters = 400;

/** Controls, invisible and direction-changing characters, line ends and lone surrogates show as U+FFFD; the rest is cut. */
function cleaned(text: string): string {
  return text.slice(0, maxCharacters).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}
