// A leaf below an authority with name constraints, for the tests of those constraints.
import {
  nameConstraints,
  subjectAltName,
  writeAuthority,
  writeLeaf,
  type CertificateWish,
} from './certificate-writer.ts';
import { judgeInAWord } from './chain-judge.ts';
import { generalName } from './der-writer.ts';

export interface Constraints {
  permitted?: Buffer[];
  excluded?: Buffer[];
}

/** The verdict on the leaf of this wish, below a constrained authority below a root of its own. */
export function judgeBelow(constraints: Constraints, wish: CertificateWish): string {
  const root = writeAuthority();
  const authority = writeAuthority({
    subject: 'Issuing',
    issuer: root,
    extensions: { nameConstraints: nameConstraints(constraints) },
  });
  const leaf = writeLeaf({ ...wish, issuer: authority });
  return judgeInAWord({ leaf, intermediates: [authority], bundle: [root] });
}

export const names = (...list: string[]): CertificateWish => ({
  extensions: { subjectAltName: subjectAltName(...list) },
});

export const permitted = (...bases: string[]) => ({ permitted: bases.map(generalName) });
