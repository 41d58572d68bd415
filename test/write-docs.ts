// `npm run docs`: writes `.env.example` and the README's generated tables.
import { writeFileSync } from 'node:fs';
import { generatedDocuments } from './support/documents.ts';

for (const { name, path, current, wanted } of generatedDocuments()) {
  if (current === wanted) {
    console.log(`${name} is up to date`);
  } else {
    writeFileSync(path, wanted);
    console.log(`${name} is written`);
  }
}
