// The line that says where figures come from. Only asks programs for their versions; starts nothing that stays.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import path from 'node:path';
import { findPostgresFolder, findProgram, findRedisServer } from '../support/engines-binaries.ts';

const gibibyte = 1_073_741_824;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
  readonly postgres: string;
  readonly nginx: string;
  readonly haproxy: string;
  /** What else was running when the benchmark began: the load of the last minute. */
  readonly loadBefore: number | null;
}

export function describeMachine(): Machine {
  const postgres = findPostgresFolder();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / gibibyte),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    redis: versionOf(findRedisServer(), '--version'),
    postgres: versionOf(postgres && path.join(postgres, 'postgres'), '--version'),
    nginx: versionOf(findProgram('nginx', ['/usr/sbin']), '-v'),
    haproxy: versionOf(findProgram('haproxy', ['/usr/sbin']), '-v'),
    loadBefore: readLoad(),
  };
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGiB, system, node, redis, postgres, nginx, haproxy, loadBefore } = machine;
  const programs = `node ${node}, redis ${redis}, postgres ${postgres}, nginx ${nginx}, haproxy ${haproxy}`;
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, ${programs}, load before ${loadBefore ?? 'unknown'}`;
}

function versionOf(program: string | undefined, flag: string): string {
  if (program === undefined) return 'none';
  const { stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8', timeout: 5_000 });
  return /\d+\.\d+(?:\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown';
}

function readLoad(): number | null {
  try {
    return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
  } catch {
    return null;
  }
}
