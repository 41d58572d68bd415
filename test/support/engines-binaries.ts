// Finds Redis and Postgres on this machine. Looks only, starts nothing.
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The program's full path, or undefined. */
export function findProgram(name: string, moreFolders: readonly string[] = []): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...moreFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

export function findRedisServer(): string | undefined {
  return findProgram('redis-server', ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin']);
}

/** Folder with `initdb` and `postgres`; Debian and Homebrew keep it off the PATH. The newest comes first. */
export function findPostgresFolder(): string | undefined {
  const versions = globSync(['/usr/lib/postgresql/*/bin', '/opt/homebrew/opt/postgresql@*/bin']);
  const folders = [
    ...versions.toSorted((left, right) => right.localeCompare(left, 'en', { numeric: true })),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.find(
    (folder) => isExecutable(join(folder, 'initdb')) && isExecutable(join(folder, 'postgres')),
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
