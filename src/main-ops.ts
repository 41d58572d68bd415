// The operator's command line. See `npm run ops -- --help`.
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { AppError } from './core/app-error.ts';
import { loadConfig } from './config/load-config.ts';
import type { Terminal } from './operations/operator-command.ts';
import { runOpsCommand } from './operations/ops-command.ts';
import { startForwarder } from './receiver/forwarder.ts';

try {
  const config = loadConfig('ops', process.env);
  const operator = loggedIn();
  process.exitCode = await runOpsCommand({
    argv: process.argv.slice(2),
    config,
    databaseUrl: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    developmentSocket: './data/dev/sql.sock',
    write: (text) => process.stdout.write(`${text}\n`),
    untilInterrupted,
    startForwarder,
    ...(operator !== undefined && { operator }),
    ...(process.stdin.isTTY && process.stderr.isTTY && { terminal: openTerminal() }),
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

/** A container may run under a number that has no name. */
function loggedIn(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** On standard error, so that what a command found can go into a file. */
function openTerminal(): Terminal {
  const clearLine = '\r\u001B[K';
  return {
    ask(question) {
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      return new Promise<string>((resolve) => {
        // The end of input, or an interrupt: no answer is a no.
        lines.once('close', () => resolve(''));
        lines.question(question, resolve);
      }).finally(() => lines.close());
    },
    showProgress: (line) => process.stderr.write(`${clearLine}${line}`),
  };
}
