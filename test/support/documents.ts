// The generated documents: where each is and what it should hold.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  envExample,
  failureCodesTable,
  replaceSection,
  variablesTable,
  type Section,
} from '../../src/config/env-document.ts';
import { changesTable } from './change-documents.ts';
import { alertsTable, metricsTable } from './metrics-document.ts';
import { leanErrorsTable, leanEventsTable, sweepsTable, warningsTable } from './lean-documents.ts';

interface GeneratedDocument {
  readonly name: string;
  readonly path: string;
  readonly current: string;
  readonly wanted: string;
}

/** `.env.example`, and the documents with generated sections; throws when one of them lost a marker. */
export function generatedDocuments(root = join(import.meta.dirname, '../..')): GeneratedDocument[] {
  const example = join(root, '.env.example');
  const written = sections.map(({ name, contents }) => {
    const path = join(root, name);
    const current = textOf(path);
    return { name, path, current, wanted: withSections({ name, current, contents }) };
  });
  return [
    { name: '.env.example', path: example, current: textOf(example), wanted: envExample() },
    ...written,
  ];
}

type Contents = readonly (readonly [section: Section, content: string])[];

const sections: readonly { readonly name: string; readonly contents: Contents }[] = [
  {
    name: 'README.md',
    contents: [
      ['variables', variablesTable()],
      ['failure-codes', failureCodesTable()],
      ['sweeps', sweepsTable()],
      ['warnings', warningsTable()],
      ['changes', changesTable()],
      ['alerts', alertsTable()],
      ['metrics', metricsTable()],
    ],
  },
  {
    name: 'docs/lean-events-and-errors.md',
    contents: [
      ['lean-events', leanEventsTable()],
      ['lean-errors', leanErrorsTable()],
    ],
  },
];

function withSections(document: { name: string; current: string; contents: Contents }): string {
  const { name, current, contents } = document;
  let text = current;
  for (const [section, content] of contents) {
    const replaced = replaceSection({ text, section, content });
    if (replaced === null)
      throw new Error(`${name} has no <!-- ${section}:begin --> … <!-- ${section}:end -->`);
    text = replaced;
  }
  return text;
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
