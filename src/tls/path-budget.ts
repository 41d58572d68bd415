// Counts what a chain costs to judge, so that no bundle of certificates, however it is knotted, can keep us busy. Each
// signature is checked once and counted once.
import type { ChainCertificate } from './certificate-der.ts';
import { ChainRefused } from './chain-refusals.ts';

const maxSignatureChecks = 64;
/** Issuers tried for a certificate, over the whole search: signatures that are known cost nothing, paths still do. */
const maxSteps = 1024;
/** Comparisons of a name with a constraint, over the whole search. */
const maxComparisons = 4096;

export interface PathBudget {
  /** Is `subject` signed with the key of `issuer`? Throws BUDGET_SPENT. */
  isSignedBy(subject: ChainCertificate, issuer: ChainCertificate): boolean;
  /** The same for anything else that is signed; `name` says what was signed by whom. */
  check(name: string, verifies: () => boolean): boolean;
  /** Throws BUDGET_SPENT. */
  step(): void;
  /** Before so many names are compared. Throws NAME_CHECKS_EXCEEDED. */
  compareNames(count: number): void;
  signatureChecks(): number;
}

export function createPathBudget(): PathBudget {
  const known = new Map<string, boolean>();
  let steps = 0;
  let comparisons = 0;

  function check(name: string, verifies: () => boolean): boolean {
    const before = known.get(name);
    if (before !== undefined) return before;
    if (known.size >= maxSignatureChecks) throw new ChainRefused('BUDGET_SPENT');
    const verdict = verifies();
    known.set(name, verdict);
    return verdict;
  }

  return {
    isSignedBy: (subject, issuer) =>
      check(`${subject.sha256} ${issuer.sha256}`, () => isCertificateSignedBy(subject, issuer)),
    check,
    step() {
      steps += 1;
      if (steps > maxSteps) throw new ChainRefused('BUDGET_SPENT');
    },
    compareNames(count) {
      comparisons += count;
      if (comparisons > maxComparisons) throw new ChainRefused('NAME_CHECKS_EXCEEDED');
    },
    signatureChecks: () => known.size,
  };
}

function isCertificateSignedBy(subject: ChainCertificate, issuer: ChainCertificate): boolean {
  const keyTypes = subject.signatureAlgorithm?.keyTypes ?? [];
  return keyTypes.includes(issuer.key.asymmetricKeyType ?? '') && subject.x509.verify(issuer.key);
}
