// `node test/conformance/fuzz.ts --mutations 100000 --seed S`: the long run of the differential fuzz. Exit 1 when our
// verifier accepts what OpenSSL refuses.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzzChains } from './fuzz-chains.ts';

const { values } = parseArgs({
  options: {
    mutations: { type: 'string', default: '100000' },
    seed: { type: 'string', default: randomUUID() },
  },
});
const mutations = Number(values.mutations);
if (!Number.isInteger(mutations) || mutations < 1) throw new Error('--mutations takes a whole number');
console.log(`seed ${values.seed}`);
const startedAt = performance.now();
const { accepted, findings } = fuzzChains({ mutations, seed: values.seed });
for (const { mutation, openssl, pem } of findings) console.log(`mutation ${mutation}: ${openssl}\n${pem}`);
const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
console.log(
  `${mutations} mutations, ${accepted} accepted, ${findings.length} of them refused by OpenSSL, ${seconds} s`,
);
process.exitCode = findings.length === 0 ? 0 : 1;
