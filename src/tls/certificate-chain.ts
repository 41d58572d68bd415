// Does this client certificate chain to one of our anchors, by all the rules of RFC 5280 that OpenSSL applies in strict
// mode? Fails closed: an unknown, malformed or too costly chain is refused. Never looks at the clock, and never says
// whether the certificate is Lean's own: that is for the pins.
import { keyPinOf, leafNamesOf, type LeafNames } from './leaf-pins.ts';
import type { ChainCertificate } from './certificate-der.ts';
import { ChainRefused, type ChainRefusal } from './chain-refusals.ts';
import { checkNameConstraints } from './name-constraints.ts';
import { createPathBudget, type PathBudget } from './path-budget.ts';
import { refuseIssuer, refuseLeaf, refusePurpose, type ClientPolicy } from './path-rules.ts';
import { checkRevocation } from './revocation.ts';
import type { RevocationLists } from './revocation-list.ts';
import { readOrReason, type TrustBundle } from './trust-bundle.ts';
import { findVouched, isSameAuthority } from './vouched-issuers.ts';

export interface ChainQuestion {
  readonly leafDer: Uint8Array;
  /** As the peer presented them, in any order; none is trusted. */
  readonly intermediatesDer: readonly Uint8Array[];
  readonly anchors: TrustBundle;
  /** null: revocation is not checked. */
  readonly crls: RevocationLists | null;
  readonly now: Date;
  readonly policy: ClientPolicy;
}

export interface VerifiedChain {
  /** SHA-256 over each certificate's DER, from the leaf to the anchor; lower-case hex. */
  readonly path: readonly string[];
  /** Base64 of SHA-256 over each key (SubjectPublicKeyInfo), from the leaf to the anchor. */
  readonly keyPins: readonly string[];
  readonly names: LeafNames;
  /** When the last of the path became valid, and the first of it stops to be. */
  readonly validFrom: Date;
  readonly validUntil: Date;
  /** The earliest `nextUpdate` of the revocation lists that were used; null without lists. */
  readonly crlsCurrentUntil: Date | null;
}

/** `signatureChecks`: what it cost. */
export type ChainVerdict =
  | { readonly verdict: 'accept'; readonly chain: VerifiedChain; readonly signatureChecks: number }
  | { readonly verdict: 'reject'; readonly reason: ChainRefusal; readonly signatureChecks: number };

const maxIntermediates = 10;
/** Leaf and intermediates together, refused unread. */
const maxPresentedBytes = 100_000;
/** Authorities between the leaf and the anchor. Real chains have one or two. */
const maxDepth = 5;

/** Never throws for what a peer presents. */
export function verifyClientChain(question: ChainQuestion): ChainVerdict {
  const budget = createPathBudget();
  try {
    const chain = judge(question, budget);
    return { verdict: 'accept', chain, signatureChecks: budget.signatureChecks() };
  } catch (error) {
    if (!(error instanceof ChainRefused)) throw error;
    return { verdict: 'reject', reason: error.reason, signatureChecks: budget.signatureChecks() };
  }
}

interface Search {
  readonly question: ChainQuestion;
  readonly nowMs: number;
  readonly budget: PathBudget;
  /** Anchors first, then the bundle's intermediates, then the presented ones. */
  readonly issuers: readonly ChainCertificate[];
  readonly anchors: ReadonlySet<ChainCertificate>;
  /** The anchors and those below them. Whoever is not here can say why a chain fails, and never make it stand. */
  readonly vouched: ReadonlySet<ChainCertificate>;
  /** Of the others, those that were walked through: once is enough for a reason. */
  readonly walked: Set<ChainCertificate>;
  /** What stopped the most promising attempt. */
  note(reason: ChainRefusal, depth: number): void;
}

function judge(question: ChainQuestion, budget: PathBudget): VerifiedChain {
  const { leafDer, intermediatesDer, anchors, now } = question;
  const nowMs = now.getTime();
  if (Number.isNaN(nowMs)) throw new RangeError('now is no moment');
  if (intermediatesDer.length > maxIntermediates) throw new ChainRefused('TOO_MANY_INTERMEDIATES');
  const presentedBytes = intermediatesDer.reduce((sum, { length }) => sum + length, leafDer.length);
  if (presentedBytes > maxPresentedBytes) throw new ChainRefused('CERTIFICATE_TOO_LARGE');
  const leaf = readOrReason(leafDer);
  if (typeof leaf === 'string') throw new ChainRefused(leaf);
  refuse(
    anchors.roots.some(({ sha256 }) => sha256 === leaf.sha256) ? 'LEAF_IS_ANCHOR' : refuseLeaf(leaf, nowMs),
  );
  if (anchors.roots.length === 0) throw new ChainRefused(anchors.unusable[0]?.reason ?? 'BUNDLE_EMPTY');
  const names = leafNamesOf(leaf);
  if (names === null) throw new ChainRefused('NAME_MALFORMED');
  const presented = intermediatesDer.map(readOrReason);
  const worst = createWorst(presented.find((entry) => typeof entry === 'string'));
  const usable = presented.filter((entry) => typeof entry !== 'string');
  const others = [...anchors.intermediates, ...usable];
  const found = extend(
    {
      question,
      nowMs,
      budget,
      issuers: [...anchors.roots, ...others],
      anchors: new Set(anchors.roots),
      vouched: findVouched({ leaf, roots: anchors.roots, others, nowMs, budget }),
      walked: new Set(),
      note: worst.note,
    },
    [leaf],
  );
  if (found === null) throw new ChainRefused(worst.reason());
  return describe(found, names);
}

function refuse(reason: ChainRefusal | null): void {
  if (reason) throw new ChainRefused(reason);
}

interface FoundPath {
  readonly path: readonly ChainCertificate[];
  readonly crlsCurrentUntilMs: number | null;
}

/** Depth first: every issuer that may stand above `path`, until one path stands. Signatures come when it is whole. */
function extend(search: Search, path: readonly ChainCertificate[]): FoundPath | null {
  const child = path.at(-1);
  for (const issuer of search.issuers) {
    if (child === undefined || issuer.subject.key !== child.issuer.key) continue;
    search.budget.step();
    // The same authority twice in one path is a circle.
    if (path.some((one) => isSameAuthority(one, issuer))) continue;
    const reason = refuseStep(search, { child, issuer, path });
    if (reason !== null) {
      search.note(reason, path.length);
      continue;
    }
    if (search.walked.has(issuer)) continue;
    if (!search.vouched.has(issuer)) search.walked.add(issuer);
    const longer = [...path, issuer];
    const found = search.anchors.has(issuer) ? finish(search, longer) : climb(search, longer);
    if (found) return found;
  }
  return null;
}

function climb(search: Search, path: readonly ChainCertificate[]): FoundPath | null {
  if (path.length - 1 <= maxDepth) return extend(search, path);
  search.note('PATH_TOO_DEEP', path.length);
  return null;
}

function refuseStep(
  { nowMs }: Search,
  step: { child: ChainCertificate; issuer: ChainCertificate; path: readonly ChainCertificate[] },
): ChainRefusal | null {
  const { child, issuer, path } = step;
  const reason = refuseIssuer(issuer, { path, nowMs });
  if (reason !== null) return reason;
  // OpenSSL's own comparison, of key identifiers too.
  return child.x509.checkIssued(issuer.x509) ? null : 'ISSUER_NOT_FOUND';
}

/** What is counted over the whole search: another path cannot make it good. */
const endsSearch: ReadonlySet<ChainRefusal> = new Set<ChainRefusal>(['BUDGET_SPENT', 'NAME_CHECKS_EXCEEDED']);

/** The rules that need the whole path. */
function finish(search: Search, path: readonly ChainCertificate[]): FoundPath | null {
  const { question, nowMs, budget, issuers } = search;
  const forgedIndex = findForged(path, budget);
  if (forgedIndex !== null) {
    search.note('SIGNATURE_INVALID', forgedIndex + 1);
    return null;
  }
  try {
    refuse(refusePurpose(path, question.policy));
    checkNameConstraints(path, budget);
    const { crls } = question;
    const crlsCurrentUntilMs = crls && checkRevocation({ path, crls, others: issuers, nowMs, budget });
    return { path, crlsCurrentUntilMs };
  } catch (error) {
    if (!(error instanceof ChainRefused) || endsSearch.has(error.reason)) throw error;
    search.note(error.reason, path.length);
    return null;
  }
}

/**
 * The place of the highest certificate that the one above it has not signed. From the anchor downward, so that a key
 * counts only once it is vouched for: a stranger's costs nothing.
 */
function findForged(path: readonly ChainCertificate[], budget: PathBudget): number | null {
  for (let index = path.length - 2; index >= 0; index -= 1) {
    const [subject, issuer] = path.slice(index, index + 2);
    if (!subject || !issuer || !budget.isSignedBy(subject, issuer)) return index;
  }
  return null;
}

/** Keeps the reason of the attempt that came furthest, the first of them. */
function createWorst(unreadable: ChainRefusal | undefined): {
  note: Search['note'];
  reason(): ChainRefusal;
} {
  let reason: ChainRefusal = unreadable ?? 'ISSUER_NOT_FOUND';
  let furthest = 0;
  return {
    note(candidate, depth) {
      if (depth <= furthest || (candidate === 'ISSUER_NOT_FOUND' && unreadable)) return;
      reason = candidate;
      furthest = depth;
    },
    reason: () => reason,
  };
}

function describe({ path, crlsCurrentUntilMs }: FoundPath, names: LeafNames): VerifiedChain {
  return {
    path: path.map(({ sha256 }) => sha256),
    keyPins: path.map(keyPinOf),
    names,
    validFrom: new Date(Math.max(...path.map(({ notBeforeMs }) => notBeforeMs))),
    validUntil: new Date(Math.min(...path.map(({ notAfterMs }) => notAfterMs))),
    crlsCurrentUntil: crlsCurrentUntilMs === null ? null : new Date(crlsCurrentUntilMs),
  };
}
