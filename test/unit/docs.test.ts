// What people read must be what the program does.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  envExample,
  failureCodesTable,
  replaceSection,
  variablesTable,
} from '../../src/config/env-document.ts';
import { variableNames } from '../../src/config/env-schema.ts';
import { failureCodes } from '../../src/core/failure-codes.ts';
import { warningMeanings } from '../../src/core/warnings.ts';
import { leanErrorRows } from '../../src/lean/lean-failures.ts';
import { opsCommandNames } from '../../src/operations/ops-command.ts';
import { eventTypes } from '../../src/worker/event-dispatch.ts';
import { listedEventTypes } from '../simulator/event-log.ts';
import { generatedDocuments } from '../support/documents.ts';
import { leanErrorsTable, sweepsTable } from '../support/lean-documents.ts';

const root = path.join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe('the generated documents', () => {
  it.each(generatedDocuments())('$name is what `npm run docs` writes', ({ current, wanted }) => {
    expect(current).toBe(wanted);
  });

  it('name every variable exactly once, in both places', () => {
    for (const name of variableNames) {
      const inExample = envExample().match(new RegExp(`^#?${name}=`, 'gm')) ?? [];
      const inTable = variablesTable().match(new RegExp(`^\\| \`${name}\` \\|`, 'gm')) ?? [];
      expect({ name, inExample: inExample.length, inTable: inTable.length }).toEqual({
        name,
        inExample: 1,
        inTable: 1,
      });
    }
  });

  it('explain every failure code', () => {
    for (const code of Object.keys(failureCodes)) expect(failureCodesTable()).toContain(`| \`${code}\` |`);
  });

  it('tell of every type of event that Lean has, once, and link to that from the README', () => {
    const told = read('docs/lean-events-and-errors.md');
    for (const type of [...eventTypes.keys(), ...listedEventTypes])
      expect({ type, rows: told.split(`\n| \`${type}\` |`).length - 1 }).toEqual({ type, rows: 1 });
    expect(read('README.md')).toContain('(docs/lean-events-and-errors.md)');
  });

  it('tell of every error of Lean’s with its code, in the part where Lean says it', () => {
    const [status = '', granular = '', http = ''] = leanErrorsTable().split('\n\n**');
    const partOf = { status, granular, http };
    for (const { place, says, code } of leanErrorRows)
      expect(partOf[place].split(`\n| \`${says}\` | \`${code}\` |`)).toHaveLength(2);
    expect(leanErrorRows.length).toBeGreaterThan(30);
  });

  it('tell which sweep is in force for every region and credentials, and every word of a warning', () => {
    expect(sweepsTable().split('\n')).toHaveLength(2 + 4);
    for (const word of Object.keys(warningMeanings))
      expect(read('README.md').split(`\n| \`${word}\` |`)).toHaveLength(2);
  });

  it('replace a section and nothing beside it', () => {
    const text = 'before\n<!-- variables:begin -->\nold\n<!-- variables:end -->\nafter\n';
    expect(replaceSection({ text, section: 'variables', content: 'new' })).toBe(
      'before\n<!-- variables:begin -->\n\nnew\n\n<!-- variables:end -->\nafter\n',
    );
    expect(replaceSection({ text, section: 'failure-codes', content: 'new' })).toBeNull();
  });
});

describe('the table of promises', () => {
  const tests = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.basename(file, '.test.ts'));
  const [, table = ''] = read('README.md').split('| fault | what holds | tests |');
  const rows = (table.split('\n\n', 1)[0] ?? '').split('\n').slice(2);

  it('names tests that exist, at least one for each fault', () => {
    expect(rows.length).toBeGreaterThan(25);
    for (const row of rows) {
      const named = [...(row.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name);
      expect({ row, named }).not.toEqual({ row, named: [] });
      expect(tests).toEqual(expect.arrayContaining(named));
    }
  });

  it('has every test of the failure matrix in one of its rows', () => {
    const inNoRow = tests.filter(
      (name) => name.startsWith('matrix-') && !rows.join('').includes(`\`${name}\``),
    );
    expect(inNoRow).toEqual([]);
  });
});

describe('what people are told to type', () => {
  const texts = [
    'README.md',
    'src/README.md',
    'docs/lean-events-and-errors.md',
    'src/core/failure-codes.ts',
    'src/core/lean-failure-codes.ts',
  ];
  const told = texts.map(read).join('\n');

  it('names only scripts that exist', () => {
    const scripts = JSON.parse(read('package.json')).scripts;
    const names = [...told.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(scripts).toHaveProperty([name ?? '']);
  });

  it('names only commands that exist', () => {
    for (const [, name] of told.matchAll(/npm run ops -- ([a-z-]+)/g))
      expect(opsCommandNames).toContain(name);
  });

  it('gives every variable that the compose file demands', () => {
    const demanded = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+):\?/g)].map(
      ([, name]) => name ?? '',
    );
    expect(new Set(demanded)).toEqual(new Set(['POSTGRES_PASSWORD']));
    for (const name of demanded) expect(read('README.md')).toContain(`${name}=`);
  });
});
