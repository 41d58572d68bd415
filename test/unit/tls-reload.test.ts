// Files that change while they are in use: what loads is taken, what does not is reported once and changes nothing.
import { mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
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

let loads = 0;
function start(): void {
  loads = 0;
  watch = watchMaterial({
    files: [at],
    intervalMs: 5,
    async load() {
      loads += 1;
      const content = await readFile(at, 'utf8');
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
  await writeFile(at, 'one');
  await writeFile(at, 'two');
  await expect.poll(() => taken.at(-1)).toBe('two');
  expect(loads).toBeLessThanOrEqual(3);
});

it('follows a rename over the file and a switched symbolic link', async () => {
  start();
  await writeFile(`${at}.new`, 'renamed');
  await rename(`${at}.new`, at);
  await expect.poll(() => taken.at(-1)).toBe('renamed');
  await writeFile(path.join(dir, 'target'), 'linked');
  await unlink(at);
  await symlink(path.join(dir, 'target'), at);
  await expect.poll(() => taken.at(-1)).toBe('linked');
});

it('keeps what it has when the files break, says so once, and takes them when they are mended', async () => {
  start();
  await expect.poll(() => taken).toEqual(['one']);
  await writeFile(at, 'broken');
  await expect.poll(() => failures.length).toBeGreaterThan(0);
  await writeFile(at, 'mended');
  await expect.poll(() => taken.at(-1)).toBe('mended');
  expect(failures).toHaveLength(1);
});

it('looks no more once it is closed', async () => {
  start();
  await expect.poll(() => taken).toEqual(['one']);
  watch?.close();
  const before = loads;
  await writeFile(at, 'two');
  start();
  await expect.poll(() => taken.at(-1)).toBe('two');
  expect(taken).toEqual(['one', 'two']);
  expect(before).toBe(1);
});
