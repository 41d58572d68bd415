// The README's own code, so that a test runs what people are told to copy: a block of code behind `<!-- example: NAME -->`.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');

interface InSchema {
  /** In place of `lean`. */
  readonly schema: string;
}

/** The text of a block; throws when there is none of that name, or two. */
export function readmeExample(name: string, { schema }: InSchema): string {
  const [, block, second] = readFileSync(path.join(root, 'README.md'), 'utf8').split(
    `\n<!-- example: ${name} -->\n`,
  );
  const code = /^```\w+\n(.*?)\n```$/ms.exec(block ?? '');
  if (block === undefined || second !== undefined || code?.index !== 0)
    throw new Error(`README.md has not exactly one example ${name}`);
  return (code[1] ?? '').replaceAll(/\blean\.(?=\w)/g, () => `"${schema}".`);
}

/** The module that the block is; its imports are those of this project. */
export async function importReadmeExample(name: string, inSchema: InSchema): Promise<unknown> {
  const folder = mkdtempSync(path.join(tmpdir(), 'readme-'));
  try {
    symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
    const file = path.join(folder, name);
    writeFileSync(file, readmeExample(name, inSchema));
    return await import(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
