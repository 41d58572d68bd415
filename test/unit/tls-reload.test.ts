// Files that change while they are in use: what loads is taken, what does not is reported once and changes nothing.
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { watchMaterial, type MaterialWatch } from '../../src/tls/tls-reload.ts';

let dir: string;
let at: string;
let watch: MaterialWatch | undefined;
const taken: string[] = [];
const failures: unknown[] = [];

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'tls-reload-'));
  at = path.join(dir, 'material');
  await writeFile(at, 'one');
});
afterEach(async () => {
  watch?.close();
  taken.length = 0;
  failures.length = 0;
  await rm(dir, { recursive: true, force: true });
});

/** In one step, as what replaces certificates does it: a file rewritten in place is empty for a moment. */
async function replace(content: string): Promise<void> {
  await writeFile(`${at}.new`, content);
  await rename(`${at}.new`, at);
}

let loads = 0;
function start({ afterRead = async () => {} }: { afterRead?: () => Promise<void> } = {}): void {
  loads = 0;
  watch = watchMaterial({
    files: [at],
    intervalMs: 5,
    async load() {
      loads += 1;
      const content = await readFile(at, 'utf8');
      await afterRead();
      if (content.includes('broken')) throw new Error(content);
      return content;
    },
    onChange: (content) => taken.push(content),
    onError: (error) => failures.push(error),
  });
}

it('loads once at first, and again only when the content is another', async () => {
  start();
  await expect.poll(() => taken).toEqual(['one']);
  await replace('one');
  await replace('two');
  await expect.poll(() => taken).toEqual(['one', 'two']);
  expect(loads).toBe(2);
});

it('follows a rename over the file and a switched symbolic link', async () => {
  start();
  await replace('renamed');
  await expect.poll(() => taken.at(-1)).toBe('renamed');
  await writeFile(path.join(dir, 'target'), 'linked');
  await symlink(path.join(dir, 'target'), `${at}.new`);
  await rename(`${at}.new`, at);
  await expect.poll(() => taken.at(-1)).toBe('linked');
});

it('keeps what it has when the files break, says so once, and takes them when they are mended', async () => {
  start();
  await expect.poll(() => taken).toEqual(['one']);
  await replace('broken');
  await expect.poll(() => failures).toHaveLength(1);
  await replace('mended');
  await expect.poll(() => taken).toEqual(['one', 'mended']);
  expect(failures).toHaveLength(1);
});

it('neither takes nor reports what it loaded while the files were changing', async () => {
  const contents = ['broken half', 'other half', 'whole'];
  start({
    async afterRead() {
      const next = contents.shift();
      if (next !== undefined) await replace(next);
    },
  });
  await expect.poll(() => taken).toEqual(['whole']);
  expect(failures).toEqual([]);
  expect(loads).toBe(4);
});

it('looks no more once it is closed', async () => {
  start();
  await expect.poll(() => taken).toEqual(['one']);
  watch?.close();
  const before = loads;
  await replace('two');
  start();
  await expect.poll(() => taken.at(-1)).toBe('two');
  expect(taken).toEqual(['one', 'two']);
  expect(before).toBe(1);
});
