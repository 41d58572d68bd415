import { expect, it } from 'vitest';
import { describePassingPlace, judgeFileSystem } from '../../src/journal/journal-place.ts';

it.each([
  ['tmpfs', 0x01021994, 'memory'],
  ['ramfs', 0x858458f6, 'memory'],
  ['overlay', 0x794c7630, 'container'],
  ['nfs', 0x6969, 'network'],
  ['cifs', 0xff534d42, 'network'],
  ['smb2', 0xfe534d42, 'network'],
  ['fuse', 0x65735546, 'network'],
  ['9p', 0x01021997, 'network'],
  ['ceph', 0x00c36400, 'network'],
])('%s is no place for acknowledged deliveries, however the system signs its number', (name, type, kind) => {
  expect(judgeFileSystem(type)).toEqual({ name, kind });
  expect(judgeFileSystem(type | 0)).toEqual({ name, kind });
});

it.each([
  ['ext4', 0xef53],
  ['xfs', 0x58465342],
  ['btrfs', 0x9123683e],
  ['zfs', 0x2fc12fc1],
  ['f2fs', 0xf2f52010],
  ['apfs of macOS', 0x1a],
  ['an unknown one', 0],
])('%s looks like a disk', (_, type) => {
  expect(judgeFileSystem(type)).toBeNull();
});

it.skipIf(process.platform !== 'linux')("the kernel's own views of itself are refused, made or not", () => {
  for (const dir of ['/proc', '/proc/lean/journal', '/sys/lean'])
    expect(() => describePassingPlace(dir)).toThrow(
      expect.objectContaining({ code: 'JOURNAL_UNWRITABLE', message: expect.stringContaining(dir) }),
    );
});
