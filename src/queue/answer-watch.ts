// Knows how long a connection has owed an answer. A connection that nobody asks anything owes none.
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
  const sendCommand = client.sendCommand.bind(client);

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

  client.sendCommand = (command: Command, ...rest: unknown[]) => {
    void awaitAnswer(command);
    return Reflect.apply(sendCommand, client, [command, ...rest]);
  };
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
