// Lists the licence of every package that runs in production, and fails where there is none or one that nobody has
// looked at. For `.ci/nightly`.
import { knownLicences, productionPackages } from './support/production-packages.ts';

const packages = productionPackages();
for (const { name, version, licence } of packages) console.log(`${licence ?? 'NONE'}\t${name}@${version}`);
const unknown = packages.filter(({ licence }) => licence === null || !knownLicences.has(licence));
console.log(`${packages.length} packages, ${unknown.length} with a licence that is missing or unknown`);
if (unknown.length > 0) process.exitCode = 1;
