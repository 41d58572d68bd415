// Notices that files were replaced (atomic rename, Kubernetes symlink swap, rewrite in place) by their content
// and loads them again. Never gives up what works: what does not load is reported and the former value stays.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** The contract promises 30 s; half of it leaves room for a slow disk. */
const defaultIntervalMs = 15_000;

interface WatchOptions<Material> {
  readonly files: readonly string[];
  /** Reads and validates everything; what it throws goes to `onError`. */
  readonly load: () => Promise<Material>;
  readonly onChange: (material: Material) => void;
  readonly onError: (error: unknown) => void;
  /** Pause between two looks; 15 s when left out. */
  readonly intervalMs?: number;
}

export interface MaterialWatch {
  close(): void;
}

/**
 * Looks at the files' content every `intervalMs`. The first look always loads, so that a change between the start's
 * own loading and the first look is not missed. A state of the files that did not load is reported once.
 */
export function watchMaterial<Material>(options: WatchOptions<Material>): MaterialWatch {
  const { files, load, onChange, onError, intervalMs = defaultIntervalMs } = options;
  let seen: string | null = null;
  let looking = false;
  let closed = false;

  async function look(): Promise<void> {
    const state = await fingerprint(files);
    if (closed || state === seen) return;
    const [loaded] = await Promise.allSettled([load()]);
    const stateAfter = await fingerprint(files);
    // Files that changed under the load may have been read as halves of two states: the next look tells.
    if (closed || stateAfter !== state) return;
    seen = state;
    if (loaded.status === 'rejected') onError(loaded.reason);
    else onChange(loaded.value);
  }

  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    look()
      .catch((error: unknown) => {
        if (!closed) onError(error);
      })
      .finally(() => {
        looking = false;
      });
  }, intervalMs);
  timer.unref();

  return {
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** A file that cannot be read is a state of its own, so its disappearance is reported through `load`. */
async function fingerprint(files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map((file) => readFile(file).catch(() => null)));
  const hash = createHash('sha256');
  for (const content of contents)
    hash.update(content === null ? '-' : `${content.length}:`).update(content ?? '');
  return hash.digest('hex');
}
