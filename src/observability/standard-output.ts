// Where log lines go: handed to the system at once while it takes them, kept for a while when the reader is slow,
// then dropped and counted. Never waits for the reader of a pipe, whether to answer a delivery or to end.
import { endsWithin } from '../core/deadline.ts';

export interface StandardOutput {
  write(line: string): void;
  /** How many lines were dropped since the last time this was not 0; 0 while there is no room yet to say so. */
  takeDropped(): number;
  /** Waits until the reader has taken every line, at most half a second. */
  flush(): Promise<void>;
}

/** The part of a process's standard output that is used here. */
interface LineStream {
  /** Written and not yet taken by the system. */
  readonly writableLength: number;
  write(text: string, whenTaken?: () => void): boolean;
  on(event: 'error', listener: () => void): unknown;
}

/** With this much unread, in characters, which are mostly bytes, further lines are dropped. */
const unreadLimit = 8 * 1024 * 1024;
const flushDeadlineMs = 500;

/**
 * Goes through the process's own stream and not through writes in libuv's threads: Node waits for those threads when
 * it ends, so a write that nobody reads would keep the process alive for good. A pipe or socket is written without
 * blocking; only a terminal that somebody has paused does block.
 */
export function createStandardOutput(stream: LineStream = process.stdout): StandardOutput {
  let dropped = 0;
  let waiting = '';

  function handOver(): void {
    if (waiting !== '') stream.write(waiting);
    waiting = '';
  }

  // A process that is cut has no further turn, and the line that says so is of its last one.
  if (stream === process.stdout) process.once('exit', handOver);
  // Whoever read the lines is gone, or the disk is full: what is told by log cannot be told.
  stream.on('error', () => {});
  return {
    write(line) {
      if (stream.writableLength + waiting.length + line.length > unreadLimit) {
        dropped += 1;
        return;
      }
      // Lines of one turn of the event loop leave together at its end: a busy receiver answers dozens in one turn.
      if (waiting === '') setImmediate(handOver);
      waiting += line;
    },
    takeDropped() {
      if (dropped === 0 || stream.writableLength > unreadLimit / 2) return 0;
      const count = dropped;
      dropped = 0;
      return count;
    },
    async flush() {
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.write(waiting, () => resolve());
      waiting = '';
      await endsWithin(promise, flushDeadlineMs);
    },
  };
}
