// Lets `npm run ops` reach a running `npm start` whose database lives inside its process: a Unix socket in the project's
// own folder, for its owner alone. One JSON line asks for rows, read-only, or for an operator's command to be run there.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import type { Database } from '../store/database.ts';
import { printableRow, readOnlyQuery } from '../store/read-only-query.ts';

const requestSchema = z.union([
  z.strictObject({ sql: z.string().max(100_000) }),
  z.strictObject({ ops: z.array(z.string().max(10_000)).max(100), operator: z.string().optional() }),
]);

export interface AskedCommand {
  readonly argv: readonly string[];
  /** Who is logged in where it was typed. */
  readonly operator: string | undefined;
  readonly write: (text: string) => void;
  /** Aborted by a second line, and when whoever asked is gone. */
  readonly stop: AbortSignal;
}

/** Gives the exit code. */
export type RunCommand = (asked: AskedCommand, database: Database) => Promise<number>;

export interface SqlSocketOptions {
  readonly path: string;
  readonly database: Database;
  /** Left out where there are rows to be had and nothing else. */
  readonly runCommand?: RunCommand;
}

export async function startSqlSocket(options: SqlSocketOptions): Promise<{ close(): Promise<void> }> {
  const { path } = options;
  rmSync(path, { force: true }); // What a killed process left; the folder's lock says that nobody owns it now.
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, options);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // Nobody else's from its first moment on: the folder it lies in is open to others.
    const mask = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(mask);
  });
  return {
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // The server would wait for a client that has nothing to ask for as long as that client stays.
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}

function serve(socket: Socket, options: SqlSocketOptions): void {
  const stop = new AbortController();
  socket.on('error', () => socket.destroy());
  socket.once('close', () => stop.abort());
  let isAsked = false;
  const lines = createInterface({ input: socket });
  lines.on('error', () => undefined); // The socket's own, told once more: unheard it would end the process.
  lines.on('line', (line) => {
    if (isAsked) {
      stop.abort();
      return;
    }
    isAsked = true;
    void reply(socket, { ...options, line, stop: stop.signal });
  });
}

async function reply(socket: Socket, question: Omit<Question, 'say'>): Promise<void> {
  const say = (answered: unknown) => {
    if (socket.writable) socket.write(`${JSON.stringify(answered)}\n`);
  };
  const last = await answer({ ...question, say });
  try {
    say(last);
  } catch {
    say({ error: 'this has values that cannot be shown' });
  }
  socket.end();
}

interface Question extends SqlSocketOptions {
  readonly line: string;
  readonly say: (answered: unknown) => void;
  readonly stop: AbortSignal;
}

/** Its last line. Never rejects. */
async function answer({ line, say, stop, database, runCommand }: Question): Promise<unknown> {
  try {
    const asked = requestSchema.parse(JSON.parse(line));
    if ('sql' in asked)
      return { rows: (await readOnlyQuery(database, asked.sql)).map((row) => printableRow(row)) };
    if (runCommand === undefined) return { error: 'no command is run here' };
    const { ops: argv, operator } = asked;
    const write = (text: string) => say({ text });
    return { code: await runCommand({ argv, operator, write, stop }, database) };
  } catch (error) {
    return { error: error instanceof AppError ? error.message : 'this could not be read or run' };
  }
}
