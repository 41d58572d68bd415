// Knows how long a connection has owed an answer, and how long nobody has asked for a job. A connection that nobody asks
// anything owes none: what waits beside it for ever shows only in the question that does not come.
import type { Command } from 'ioredis';
import { isConnected, type RedisClient } from './connections.ts';

export interface AnswerWatch {
  /** Milliseconds for which a sent command, or the connection itself, has been waited for; 0 = nothing is owed. */
  silentMs(): number;
}

/** Watches every command that goes through `client` from now on; it changes none of them. */
export function watchAnswers(client: RedisClient): AnswerWatch {
  const owed = new Map<symbol, number>();
  let lastSignAt = performance.now();

  async function awaitAnswer(command: Command): Promise<void> {
    const key = Symbol(command.name);
    owed.set(key, performance.now());
    try {
      await command.promise;
      lastSignAt = performance.now();
    } catch {
      // An error may be the server's or only the end of the connection: it ends the wait and proves nothing.
    } finally {
      owed.delete(key);
    }
  }

  watchSent(client, awaitAnswer);
  client.on('ready', () => {
    lastSignAt = performance.now();
  });
  return {
    silentMs() {
      const [oldestOwedAt] = owed.values();
      if (oldestOwedAt === undefined && isConnected(client)) {
        // Counts from here should the connection be lost next.
        lastSignAt = performance.now();
        return 0;
      }
      return performance.now() - Math.max(lastSignAt, oldestOwedAt ?? 0);
    },
  };
}

export interface AskWatch {
  /** Milliseconds for which a job could have been asked for and was not; 0 = a question is out, or none is due. */
  unaskedMs(): number;
}

interface AskWatchOptions {
  /** All that questions go through. */
  readonly clients: readonly RedisClient[];
  readonly isQuestion: (command: Command) => boolean;
  /** No further job could be taken. */
  readonly isFull: () => boolean;
}

/** A lost connection counts for nothing here: it is told by itself, and after it there is time to ask. */
export function watchQuestions({ clients, isQuestion, isFull }: AskWatchOptions): AskWatch {
  let out = 0;
  let lastSignAt = performance.now();

  async function awaitAnswer(command: Command): Promise<void> {
    out += 1;
    try {
      await command.promise;
    } catch {
      // Refused or lost, it was a question.
    } finally {
      out -= 1;
      lastSignAt = performance.now();
    }
  }

  for (const client of clients)
    watchSent(client, (command) => (isQuestion(command) ? awaitAnswer(command) : undefined));
  return {
    unaskedMs() {
      // Counts from here should the next question not come.
      if (out > 0 || isFull() || !clients.every(isConnected)) lastSignAt = performance.now();
      return performance.now() - lastSignAt;
    },
  };
}

function watchSent(client: RedisClient, sent: (command: Command) => Promise<void> | undefined): void {
  const sendCommand = client.sendCommand.bind(client);
  client.sendCommand = (command: Command, ...rest: unknown[]) => {
    void sent(command);
    return Reflect.apply(sendCommand, client, [command, ...rest]);
  };
}
