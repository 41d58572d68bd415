// The operator's command line. See `npm run ops -- --help`.
import { AppError } from './core/app-error.ts';
import { loadConfig } from './config/load-config.ts';
import { runOpsCommand } from './operations/ops-command.ts';

try {
  const config = loadConfig('ops', process.env);
  process.exitCode = await runOpsCommand({
    argv: process.argv.slice(2),
    config,
    databaseUrl: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    developmentSocket: './data/dev/sql.sock',
    write: (text) => process.stdout.write(`${text}\n`),
    untilInterrupted,
  });
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 2;
}

/** A second interrupt ends the process the hard way: the handlers are gone by then. */
function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
