// Which issuers an anchor vouches for, by signatures checked from the anchors downward: no key of a stranger's is ever
// computed with. Never says that a chain is good: the path's own rules are judged elsewhere.
import type { ChainCertificate } from './certificate-der.ts';
import type { PathBudget } from './path-budget.ts';
import { refuseAuthority, refuseDates } from './path-rules.ts';

interface VouchQuestion {
  readonly leaf: ChainCertificate;
  readonly roots: readonly ChainCertificate[];
  /** Those that nobody has vouched for yet. */
  readonly others: readonly ChainCertificate[];
  readonly nowMs: number;
  readonly budget: PathBudget;
}

/**
 * The roots, and every other that one of them has issued or that one of those has. Leaves out only what no path from the
 * leaf could hold: no authority, not current, not asked for by name. Throws BUDGET_SPENT.
 */
export function findVouched({
  leaf,
  roots,
  others,
  nowMs,
  budget,
}: VouchQuestion): ReadonlySet<ChainCertificate> {
  const candidates = namedAbove(leaf, others).filter((one) => mayIssue(one, nowMs));
  // Grows while it is walked, so that those who are vouched for vouch in their turn.
  const vouched = new Set(roots.filter((root) => mayIssue(root, nowMs)));
  for (const issuer of vouched)
    for (const candidate of candidates)
      if (!vouched.has(candidate) && isIssuedBy(candidate, issuer) && budget.isSignedBy(candidate, issuer))
        vouched.add(candidate);
  return vouched;
}

/** Those whose name the leaf gives as its issuer's, and those whose name one of them gives. */
function namedAbove(leaf: ChainCertificate, others: readonly ChainCertificate[]): ChainCertificate[] {
  const wanted = new Set([leaf.issuer.key]);
  for (const name of wanted)
    for (const { subject, issuer } of others) if (subject.key === name) wanted.add(issuer.key);
  return others.filter(({ subject }) => wanted.has(subject.key));
}

function mayIssue(certificate: ChainCertificate, nowMs: number): boolean {
  return refuseAuthority(certificate) === null && refuseDates(certificate, nowMs) === null;
}

/** By the names, the key identifiers too; an authority is not its own issuer below a root. */
function isIssuedBy(subject: ChainCertificate, issuer: ChainCertificate): boolean {
  if (subject.issuer.key !== issuer.subject.key || isSameAuthority(subject, issuer)) return false;
  // OpenSSL's own comparison.
  return subject.x509.checkIssued(issuer.x509);
}

export function isSameAuthority(one: ChainCertificate, other: ChainCertificate): boolean {
  return one.subject.key === other.subject.key && one.spkiSha256 === other.spkiSha256;
}
