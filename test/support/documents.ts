// The generated documents: where each is and what it should hold.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  envExample,
  failureCodesTable,
  replaceSection,
  variablesTable,
} from '../../src/config/env-document.ts';

interface GeneratedDocument {
  readonly name: string;
  readonly path: string;
  readonly current: string;
  readonly wanted: string;
}

/** `.env.example`, and the README with its generated sections; throws when the README lost a marker. */
export function generatedDocuments(root = join(import.meta.dirname, '../..')): GeneratedDocument[] {
  const example = join(root, '.env.example');
  const readme = join(root, 'README.md');
  return [
    { name: '.env.example', path: example, current: textOf(example), wanted: envExample() },
    { name: 'README.md', path: readme, current: textOf(readme), wanted: readmeText(textOf(readme)) },
  ];
}

function readmeText(current: string): string {
  const sections = [
    { section: 'variables', content: variablesTable() },
    { section: 'failure-codes', content: failureCodesTable() },
  ] as const;
  let text = current;
  for (const { section, content } of sections) {
    const replaced = replaceSection({ text, section, content });
    if (replaced === null)
      throw new Error(`README.md has no <!-- ${section}:begin --> … <!-- ${section}:end -->`);
    text = replaced;
  }
  return text;
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
