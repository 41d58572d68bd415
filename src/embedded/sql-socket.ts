// Lets `npm run ops -- sql` ask a running `npm start` whose database lives inside its process.
// A Unix socket in the project's own folder: one JSON line in, one JSON line out, read-only.
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import type { Database } from '../store/database.ts';
import { printableRow, readOnlyQuery } from '../store/read-only-query.ts';

const requestSchema = z.strictObject({ sql: z.string().max(100_000) });

export async function startSqlSocket(path: string, database: Database): Promise<{ close(): Promise<void> }> {
  rmSync(path, { force: true }); // What a killed process left; the folder's lock says that nobody owns it now.
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void serve(socket, database);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
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

async function serve(socket: Socket, database: Database): Promise<void> {
  socket.on('error', () => socket.destroy());
  for await (const line of createInterface({ input: socket })) {
    socket.end(`${JSON.stringify(await answer(line, database))}\n`);
    return;
  }
}

async function answer(line: string, database: Database): Promise<unknown> {
  try {
    const { sql } = requestSchema.parse(JSON.parse(line));
    return { rows: (await readOnlyQuery(database, sql)).map((row) => printableRow(row)) };
  } catch (error) {
    return { error: error instanceof AppError ? error.message : 'the request could not be read' };
  }
}
