// The sources as they were before the newest migration was added, out of the history of this tree: for asking whether that
// version's workers go on beside it. Changes nothing in the tree nor in its history.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from './processes.ts';

export interface FormerVersion {
  /** With `src` and, linked, `node_modules`. */
  readonly dir: string;
  remove(): void;
}

/** Null where there is no history, or not enough of it. */
export function checkOutFormerVersion(): FormerVersion | null {
  const newest = readdirSync(path.join(root, 'src/store'))
    .filter((name) => /^schema-\d{4}\.ts$/.test(name))
    .toSorted()
    .at(-1);
  const archive = newest === undefined ? null : archiveBefore(`src/store/${newest}`);
  if (archive === null) return null;
  const dir = mkdtempSync(path.join(tmpdir(), 'former-'));
  execFileSync('tar', ['-x', '-C', dir], { input: archive });
  symlinkSync(path.join(root, 'node_modules'), path.join(dir, 'node_modules'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** A tar of what came before the commit that added the file, or of the last commit where none has added it yet. */
function archiveBefore(file: string): Buffer | null {
  const added = git('log', '--diff-filter=A', '--format=%H', '-1', '--', file)?.toString().trim();
  if (added === undefined) return null;
  const version = added === '' ? 'HEAD' : `${added}^`;
  return git('archive', '--format=tar', version, 'src', 'package.json');
}

/** Null where it fails: no git, no repository, no such commit. */
function git(...args: readonly string[]): Buffer | null {
  try {
    return execFileSync('git', args, {
      cwd: root,
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return null;
  }
}
