// What a process costs, as Linux counts it in /proc: all its threads together. NaN where there is no /proc.
import { readFileSync } from 'node:fs';

/** USER_HZ, which is 100 on every Linux there is. */
const ticksPerSecond = 100;
const bytesPerKiB = 1_024;

/** Seconds of a processor that it has used since its start, in user and in kernel mode. */
export function cpuSeconds(pid: number): number {
  // The program's name, in brackets, may hold anything; behind it utime and stime are the 12th and 13th.
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11] ?? Number.NaN) + Number(fields[12] ?? Number.NaN)) / ticksPerSecond;
}

/** Bytes of memory that are its own or shared and in use now. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`));
  return Number(found?.[1] ?? Number.NaN) * bytesPerKiB;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
