// Judges by its file system whether a folder looks like a place where a journal outlives the process and its machine.
// A hint only: it cannot see that a container's volume, whatever its file system, is thrown away with it.
import { statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { AppError } from '../core/app-error.ts';
import { describeFailure } from './sqlite-failure.ts';

/** `memory` ends with the machine, `container` with the container; a `network`'s fsync and locks are only promises. */
type PassingKind = 'memory' | 'container' | 'network';

interface PassingFileSystem {
  readonly name: string;
  readonly kind: PassingKind;
}

/** f_type of Linux, statfs(2) and linux/magic.h. The numbers of other systems are small and meet none of these. */
const passingFileSystems: ReadonlyMap<number, PassingFileSystem> = new Map([
  [0x01021994, { name: 'tmpfs', kind: 'memory' }],
  [0x858458f6, { name: 'ramfs', kind: 'memory' }],
  [0x794c7630, { name: 'overlay', kind: 'container' }],
  [0x61756673, { name: 'aufs', kind: 'container' }],
  [0x00006969, { name: 'nfs', kind: 'network' }],
  [0x0000517b, { name: 'smb', kind: 'network' }],
  [0xff534d42, { name: 'cifs', kind: 'network' }],
  [0xfe534d42, { name: 'smb2', kind: 'network' }],
  [0x65735546, { name: 'fuse', kind: 'network' }], // also virtiofs, and buckets mounted as folders
  [0x01021997, { name: '9p', kind: 'network' }],
  [0x00c36400, { name: 'ceph', kind: 'network' }],
  [0x5346414f, { name: 'afs', kind: 'network' }],
  [0x73757245, { name: 'coda', kind: 'network' }],
  [0x0bd00bd0, { name: 'lustre', kind: 'network' }],
  [0x47504653, { name: 'gpfs', kind: 'network' }],
  [0x786f4256, { name: 'vboxsf', kind: 'network' }],
  [0xbacbacbc, { name: 'vmhgfs', kind: 'network' }],
]);

const reasons: Readonly<Record<PassingKind, string>> = {
  memory: 'kept in memory, so it is empty after a restart of the container or the machine',
  container: "a container's own layer, so it is gone with the container",
  network: 'reached over a network or through another program, so fsync and locks are not to be relied on',
};

/** The kernel's own views of itself: some take no folder, and some say they did and have none. */
const kernelViews: ReadonlyMap<number, string> = new Map([
  [0x00009fa0, 'proc'],
  [0x62656572, 'sysfs'],
  [0x00001cd1, 'devpts'],
  [0x0027e0eb, 'cgroup'],
  [0x63677270, 'cgroup2'],
  [0x64626720, 'debugfs'],
  [0x73636673, 'securityfs'],
  [0xcafe4a11, 'bpf'],
]);

/** `type` as statfs gives it, also where the system hands it out as a negative number. Null: looks like a disk. */
export function judgeFileSystem(type: number): PassingFileSystem | null {
  return passingFileSystems.get(type >>> 0) ?? null;
}

/**
 * What is wrong with the place, in a sentence that says what to do; null when it looks like a disk. A folder that is not
 * made yet is judged by the nearest one above it. Throws JOURNAL_UNWRITABLE when the place cannot be looked at, or is the
 * kernel's, in which nothing can be kept.
 */
export function describePassingPlace(dir: string): string | null {
  const type = fileSystemType(resolve(dir));
  const view = kernelViews.get(type >>> 0);
  if (view !== undefined)
    throw new AppError('JOURNAL_UNWRITABLE', `${resolve(dir)} is on ${view}, where no file can be kept`);
  const found = judgeFileSystem(type);
  if (found === null) return null;
  return (
    `${resolve(dir)} is on ${found.name}, ${reasons[found.kind]}; mount a local disk there, or set ` +
    'JOURNAL_PERSISTENT=yes if it outlives the container all the same, or set ACK_AFTER=stored'
  );
}

export interface PlaceRules {
  /** What `describePassingPlace` says. */
  readonly passing: string | null;
  /** ACK_AFTER=stored: no acknowledgement rests on the folder. */
  readonly acksWhenStored: boolean;
  /** JOURNAL_PERSISTENT=yes: the operator says that it lasts. */
  readonly isVouchedFor: boolean;
  readonly isProduction: boolean;
}

/** In production an acknowledgement must not rest on a folder that goes away with the container. */
export function judgePlace({
  passing,
  acksWhenStored,
  isVouchedFor,
  isProduction,
}: PlaceRules): 'lasting' | 'unneeded' | 'vouched' | 'doubtful' | 'refused' {
  if (passing === null) return 'lasting';
  if (acksWhenStored) return 'unneeded';
  if (isVouchedFor) return 'vouched';
  return isProduction ? 'refused' : 'doubtful';
}

function fileSystemType(folder: string): number {
  try {
    return statfsSync(folder).type;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isMissing && folder !== dirname(folder)) return fileSystemType(dirname(folder));
    throw new AppError('JOURNAL_UNWRITABLE', `${folder}: ${describeFailure(error)}`, { cause: error });
  }
}
