// Name constraints (RFC 5280, 4.2.1.10): which names an authority lets those below it have. A constrained kind of name
// that we cannot compare refuses the path, and the work is bounded, however many names and constraints there are.
import type { ChainCertificate } from './certificate-der.ts';
import { ChainRefused } from './chain-refusals.ts';
import { DerError, derTags, readElements, readOnly } from './der.ts';
import { readSequence } from './der-values.ts';
import { commonNameOid, emailAddressOid, ia5StringTag } from './distinguished-name.ts';
import { readGeneralName, type GeneralName } from './general-names.ts';
import { checkBase, isHostName, isNameWithin, maxHostLength, mayOverlap } from './name-matching.ts';
import type { PathBudget } from './path-budget.ts';

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** Throws DerError: also for a base that no name could be compared with. */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const fields = readElements(readOnly(value, derTags.sequence));
  const tags = fields.map(({ tag }) => tag).join(',');
  if (!['160', '161', '160,161'].includes(tags)) throw new DerError('malformed name constraints');
  const read = (wanted: number) => {
    const field = fields.find(({ tag }) => tag === wanted);
    if (field === undefined) return [];
    const subtrees = readElements(field.content).map((subtree) => {
      const [base, ...distances] = readSequence(subtree);
      // `minimum` is 0 and `maximum` absent by RFC 5280, and DER does not write a default.
      if (base === undefined || distances.length > 0) throw new DerError('malformed subtree');
      const name = readGeneralName(base);
      checkBase(name);
      return name;
    });
    if (subtrees.length === 0) throw new DerError('empty list of subtrees');
    return subtrees;
  };
  return { permitted: read(0xa0), excluded: read(0xa1) };
}

/** `path` runs from the leaf to the root. Throws ChainRefused at the first name that is not allowed. */
export function checkNameConstraints(path: readonly ChainCertificate[], budget: PathBudget): void {
  for (const [index, certificate] of path.entries()) {
    // A self-issued authority only changes its key; its name was judged before.
    if (index > 0 && certificate.isSelfIssued) continue;
    const constraints = path.slice(index + 1).flatMap(({ extensions }) => extensions.nameConstraints ?? []);
    if (constraints.length === 0) continue;
    const names = namesOf(certificate, index === 0);
    for (const { permitted, excluded } of constraints) {
      budget.compareNames(names.length * (permitted.length + excluded.length));
      for (const name of names) checkName(name, { permitted, excluded });
    }
  }
}

function checkName(name: GeneralName, { permitted, excluded }: NameConstraints): void {
  const allowed = permitted.filter((base) => isSameKind(base, name));
  const refused = excluded.filter((base) => isSameKind(base, name));
  if (allowed.length === 0 && refused.length === 0) return;
  if (name.kind === 'other' || name.kind === 'registeredId')
    throw new ChainRefused('NAME_TYPE_NOT_SUPPORTED');
  if (refused.some((base) => mayOverlap(name, base))) throw new ChainRefused('NAME_EXCLUDED');
  if (allowed.length > 0 && !allowed.some((base) => isNameWithin(name, base)))
    throw new ChainRefused('NAME_NOT_PERMITTED');
}

/** id-on-SmtpUTF8Mailbox, 1.3.6.1.5.5.7.8.9 (RFC 9598): a mail address that is bound by the bases of mail addresses. */
const unicodeMailboxOid = '2b06010505070809';

/** Other names are of one kind when their own types are. */
function isSameKind(base: GeneralName, name: GeneralName): boolean {
  if (base.kind === 'other' && name.kind === 'other') return base.text === name.text;
  if (base.kind === 'email' && name.kind === 'other') return name.text === unicodeMailboxOid;
  return base.kind === name.kind;
}

/** Every name a certificate goes by, those in its subject included. */
function namesOf(certificate: ChainCertificate, isLeaf: boolean): GeneralName[] {
  const { subject, extensions } = certificate;
  const alternative = extensions.alternativeNames?.names ?? [];
  const names: GeneralName[] = [...alternative];
  if (subject.parts.length > 0) names.push({ kind: 'directory', name: subject });
  for (const { oid, tag, text } of subject.attributes) {
    if (oid !== emailAddressOid) continue;
    if (tag !== ia5StringTag || text === null) throw new ChainRefused('NAME_MALFORMED');
    names.push({ kind: 'email', text });
  }
  if (!isLeaf || alternative.some(({ kind }) => kind === 'dns')) return names;
  // Without a DNS name many take the common name for one, so it has to obey as one.
  for (const { oid, text } of subject.attributes) {
    if (oid !== commonNameOid) continue;
    // What is no text could be anything; OpenSSL refuses it here, too.
    if (text === null) throw new ChainRefused('NAME_MALFORMED');
    if (text.includes('\0') || text.length > maxHostLength) throw new ChainRefused('NAME_MALFORMED');
    if (isHostName(text)) names.push({ kind: 'dns', text });
  }
  return names;
}
