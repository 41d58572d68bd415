// A conformance case, and the verifier's answer to it. Cases may come from anybody, so nothing about one is assumed:
// what cannot be decoded is handed to the verifier as it is.
import { z } from 'zod';
import { verifyClientChain } from '../../src/tls/certificate-chain.ts';
import { matchesLeafPin, readLeafIdentity, type LeafPin } from '../../src/tls/leaf-pins.ts';
import { readRevocationLists } from '../../src/tls/revocation-list.ts';
import { readTrustBundle } from '../../src/tls/trust-bundle.ts';

const pemList = z.array(z.string());

/** The fields a verdict depends on; others are ignored. */
export const conformanceCaseSchema = z.object({
  id: z.string(),
  trusted_roots_pem: pemList,
  intermediates_pem: pemList.default([]),
  leaf_pem: z.string(),
  validation_time: z.string(),
  crls_pem: pemList.nullish(),
  /** `dns:…`, `uri:…` or `sha256/…`: one of them must be the leaf's. */
  pins: z.array(z.string()).nullish(),
});
export type ConformanceCase = z.infer<typeof conformanceCaseSchema>;

/** A case that says what the answer must be. */
export const expectedCaseSchema = conformanceCaseSchema.extend({
  category: z.string().optional(),
  expected: z.enum(['accept', 'reject']),
});
export type ExpectedCase = z.infer<typeof expectedCaseSchema>;

export interface CaseVerdict {
  readonly id: string;
  readonly verdict: 'accept' | 'reject';
  /** `ACCEPTED`, `PIN_MISMATCH`, `CASE_MALFORMED` or a reason of the verifier. */
  readonly reason: string;
}

export function judgeCase(conformanceCase: ConformanceCase): CaseVerdict {
  const { id, trusted_roots_pem, intermediates_pem, leaf_pem, crls_pem, pins } = conformanceCase;
  const now = new Date(conformanceCase.validation_time);
  if (Number.isNaN(now.getTime())) return { id, verdict: 'reject', reason: 'CASE_MALFORMED' };
  const leafDer = decodePem(leaf_pem);
  const crls = crls_pem?.map(decodePem) ?? [];
  const verdict = verifyClientChain({
    leafDer,
    intermediatesDer: intermediates_pem.map(decodePem),
    anchors: readTrustBundle(trusted_roots_pem.map(decodePem)),
    crls: crls.length === 0 ? null : readRevocationLists(crls),
    now,
    policy: { purpose: 'clientAuth' },
  });
  if (verdict.verdict === 'reject') return { id, verdict: 'reject', reason: verdict.reason };
  const isPinned = !pins || matchesLeafPin(readLeafIdentity(leafDer), pins.flatMap(readPin));
  if (!isPinned) return { id, verdict: 'reject', reason: 'PIN_MISMATCH' };
  return { id, verdict: 'accept', reason: 'ACCEPTED' };
}

/** An entry that is none of the three kinds matches nobody. */
function readPin(pin: string): LeafPin[] {
  if (pin.startsWith('dns:')) return [{ kind: 'dns', value: pin.slice('dns:'.length).toLowerCase() }];
  if (pin.startsWith('uri:')) return [{ kind: 'uri', value: pin.slice('uri:'.length) }];
  return pin.startsWith('sha256/') ? [{ kind: 'spki', value: pin.slice('sha256/'.length) }] : [];
}

/** The bytes between the armour; the verifier judges what they are. */
export function decodePem(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ''), 'base64');
}
