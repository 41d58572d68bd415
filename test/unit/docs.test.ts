// What people read must be what the program does.
import { readFileSync } from 'node:fs';
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
import { opsCommandNames } from '../../src/operations/ops-command.ts';
import { storyNames } from '../simulator/stories.ts';
import { generatedDocuments } from '../support/documents.ts';

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

  it('replace a section and nothing beside it', () => {
    const text = 'before\n<!-- variables:begin -->\nold\n<!-- variables:end -->\nafter\n';
    expect(replaceSection({ text, section: 'variables', content: 'new' })).toBe(
      'before\n<!-- variables:begin -->\n\nnew\n\n<!-- variables:end -->\nafter\n',
    );
    expect(replaceSection({ text, section: 'failure-codes', content: 'new' })).toBeNull();
  });
});

const root = path.join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe('what people are told to type', () => {
  const texts = ['README.md', 'src/README.md', 'src/core/failure-codes.ts', 'src/core/lean-failure-codes.ts'];
  const told = texts.map(read).join('\n');

  it('names only scripts that exist', () => {
    const scripts = JSON.parse(read('package.json')).scripts;
    const names = [...told.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(scripts).toHaveProperty([name ?? '']);
  });

  it('names only commands and stories that exist', () => {
    for (const [, name] of told.matchAll(/npm run ops -- ([a-z-]+)/g))
      expect(opsCommandNames).toContain(name);
    for (const [, name] of told.matchAll(/npm run simulate -- ([a-z-]+)/g))
      expect(storyNames).toContain(name);
  });

  it('gives every variable that the compose file demands', () => {
    const demanded = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+):\?/g)].map(
      ([, name]) => name ?? '',
    );
    expect(new Set(demanded)).toEqual(new Set(['POSTGRES_PASSWORD']));
    for (const name of demanded) expect(read('README.md')).toContain(`${name}=`);
  });
});
