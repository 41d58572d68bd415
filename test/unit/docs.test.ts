// What people read must be what the program does.
import { describe, expect, it } from 'vitest';
import {
  envExample,
  failureCodesTable,
  replaceSection,
  variablesTable,
} from '../../src/config/env-document.ts';
import { variableNames } from '../../src/config/env-schema.ts';
import { failureCodes } from '../../src/core/failure-codes.ts';
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
