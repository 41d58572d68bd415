// The verifier against OpenSSL: certificates and revocation lists of sound chains, changed in thousands of ways and
// mostly signed again. `node test/conformance/fuzz.ts --mutations N --seed S` is the same for longer, or once more.
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { fuzzChains } from '../conformance/fuzz-chains.ts';
import { longTests } from '../support/long-tests.ts';

const seed = randomUUID();
const mutations = longTests ? 3000 : 1200;

it(`never accepts what OpenSSL refuses in strict mode (seed ${seed})`, { timeout: 180_000 }, () => {
  const { accepted, findings } = fuzzChains({ mutations, seed });
  expect(findings).toEqual([]);
  // Were nothing accepted, nothing would have been compared.
  expect(accepted).toBeGreaterThan(mutations / 50);
});
