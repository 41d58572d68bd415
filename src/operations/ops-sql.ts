// `npm run ops -- sql "select …"`: reads rows, from DATABASE_URL or from a running `npm start`.
import { createConnection } from 'node:net';
import { z } from 'zod';
import { AppError } from '../core/app-error.ts';
import { openDatabase, postgresDialect } from '../store/database.ts';
import { printableRow, readOnlyQuery, type QueryRow } from '../store/read-only-query.ts';
import { developmentNotRunning } from './ops-development.ts';

const replySchema = z.union([
  z.strictObject({ rows: z.array(z.record(z.string(), z.unknown())) }),
  z.strictObject({ error: z.string() }),
]);

/** Asks the database behind `url`. Throws SQL_REFUSED. */
export async function sqlOverPostgres(options: {
  url: string;
  schema: string;
  text: string;
}): Promise<QueryRow[]> {
  const dialect = postgresDialect({
    url: options.url,
    poolSize: 1,
    applicationName: 'lean-ops-sql',
    onIdleError: () => undefined, // One statement, then closed: an idle connection's error has no reader.
  });
  const database = openDatabase({ dialect, schema: options.schema });
  try {
    return (await readOnlyQuery(database, options.text)).map((row) => printableRow(row));
  } finally {
    await database.close();
  }
}

/** Asks a running `npm start` over its socket. Throws SQL_REFUSED and DEVELOPMENT_NOT_RUNNING. */
export async function sqlOverSocket(path: string, text: string): Promise<QueryRow[]> {
  const answered = await roundTrip(path, `${JSON.stringify({ sql: text })}\n`);
  if (answered === '') throw new AppError('DEVELOPMENT_NOT_RUNNING', 'npm start ended before it answered');
  const reply = replySchema.parse(JSON.parse(answered));
  if ('error' in reply) throw new AppError('SQL_REFUSED', reply.error);
  return reply.rows;
}

function roundTrip(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = createConnection(path, () => socket.write(request));
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      reply += chunk.toString();
    });
    socket.on('end', () => resolve(reply));
    socket.on('error', (cause) =>
      reject(new AppError('DEVELOPMENT_NOT_RUNNING', developmentNotRunning, { cause })),
    );
  });
}
