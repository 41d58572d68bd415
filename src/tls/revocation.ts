// Is anybody of a path revoked? With any list in use, every authority of the path needs a current one of its own; what
// is missing, outdated, forged or beyond us refuses the path.
import { keyUsageBits, type NamedCertificate } from './certificate-extensions.ts';
import type { ChainCertificate } from './certificate-der.ts';
import { ChainRefused, type ChainRefusal } from './chain-refusals.ts';
import type { PathBudget } from './path-budget.ts';
import type { RevocationList, RevocationLists } from './revocation-list.ts';
import { verifySignature } from './signature-algorithms.ts';

export interface RevocationCheck {
  /** From the leaf to the root. */
  readonly path: readonly ChainCertificate[];
  readonly crls: RevocationLists;
  /** Certificates that may hold an authority's second key, the one it signs lists with. */
  readonly others: readonly ChainCertificate[];
  readonly nowMs: number;
  readonly budget: PathBudget;
}

/** Until when (milliseconds since 1970) the lists that were used are current. Throws ChainRefused. */
export function checkRevocation(check: RevocationCheck): number {
  if (!check.crls.isComplete) throw new ChainRefused('CRL_MALFORMED');
  return Math.min(...check.path.map((certificate, index) => checkCertificate(check, certificate, index)));
}

/** `index` is where in the path the certificate stands, so that its authority is the next one; a root is its own. */
function checkCertificate(check: RevocationCheck, { serial }: ChainCertificate, index: number): number {
  const { path, crls, nowMs } = check;
  const authorityIndex = Math.min(index + 1, path.length - 1);
  const authority = path[authorityIndex];
  const lists = crls.lists.filter(({ issuer }) => issuer.key === authority?.subject.key);
  let refusal: ChainRefusal = lists.length === 0 ? 'CRL_MISSING' : 'CRL_SIGNATURE_INVALID';
  let currentUntilMs: number | null = null;
  for (const list of lists) {
    if (!isSigned(check, list, authorityIndex)) continue;
    if (!list.isWhole) throw new ChainRefused('CRL_NOT_SUPPORTED');
    if (list.thisUpdateMs > nowMs) refusal = 'CRL_NOT_YET_VALID';
    else if (list.nextUpdateMs <= nowMs) refusal = 'CRL_EXPIRED';
    else if (list.revoked.has(serial)) throw new ChainRefused('REVOKED');
    else currentUntilMs = Math.max(currentUntilMs ?? 0, list.nextUpdateMs);
  }
  if (currentUntilMs === null) throw new ChainRefused(refusal);
  return currentUntilMs;
}

/** By the authority's own key, or by a second key that the authority above has certified for this. */
function isSigned(check: RevocationCheck, list: RevocationList, authorityIndex: number): boolean {
  const authority = check.path[authorityIndex];
  if (authority === undefined) return false;
  if (mayHaveSigned(list, authority) && isSignedWith(check, list, authority)) return true;
  const parent = check.path[authorityIndex + 1];
  if (parent === undefined) return false;
  return check.others.some((other) => {
    const isSecondKey =
      other.subject.key === authority.subject.key &&
      other.issuer.key === parent.subject.key &&
      other.spkiSha256 !== authority.spkiSha256 &&
      other.notBeforeMs <= check.nowMs &&
      check.nowMs < other.notAfterMs;
    if (!isSecondKey || !mayHaveSigned(list, other)) return false;
    // Before anything is computed with its key, which a stranger may have presented.
    if (!other.x509.checkIssued(parent.x509) || !check.budget.isSignedBy(other, parent)) return false;
    if (!isSignedWith(check, list, other)) return false;
    checkCertificate(check, other, authorityIndex);
    return true;
  });
}

/** A list that names another key or another certificate is not this signer's. */
function mayHaveSigned({ authorityKeyId }: RevocationList, signer: ChainCertificate): boolean {
  if (((signer.extensions.keyUsage ?? 0) & keyUsageBits.crlSign) === 0) return false;
  if (authorityKeyId?.certificate && !isNamed(authorityKeyId.certificate, signer)) return false;
  const keyId = authorityKeyId?.keyId ?? null;
  return keyId === null || keyId === signer.extensions.subjectKeyId;
}

function isSignedWith(check: RevocationCheck, list: RevocationList, signer: ChainCertificate): boolean {
  const { algorithm, signed, signature } = list;
  return check.budget.check(`${list.sha256} ${signer.sha256}`, () =>
    verifySignature({ algorithm, key: signer.key, signed, signature }),
  );
}

function isNamed({ issuer, serial }: NamedCertificate, certificate: ChainCertificate): boolean {
  const [name, ...others] = issuer;
  if (name?.kind !== 'directory' || others.length > 0) return false;
  return name.name.key === certificate.issuer.key && serial === certificate.serial;
}
