// The operator's command line. See `npm run ops -- --help`.
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline';
import { AppError } from './core/app-error.ts';
import { readOpsConfig, type Config } from './config/load-config.ts';
import { createMetrics } from './observability/metrics.ts';
import type { Terminal } from './operations/operator-command.ts';
import { runOpsCommand } from './operations/ops-command.ts';
import { startForwarder } from './receiver/forwarder.ts';
import { openLeanAccess } from './worker/lean-access.ts';
import { planSweeps } from './worker/sweep-plan.ts';

try {
  const { config, refusal } = readOpsConfig(process.env);
  const operator = loggedIn();
  process.exitCode = await runOpsCommand({
    argv: process.argv.slice(2),
    config,
    databaseUrl: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    developmentSocket: './data/dev/sql.sock',
    write: (text) => process.stdout.write(`${text}\n`),
    untilInterrupted,
    endSoon,
    startForwarder,
    lean: { open: openQuietly, planSweeps },
    env: process.env,
    ...(refusal !== null && { configRefusal: refusal }),
    ...(operator !== undefined && { operator }),
    ...(process.stdin.isTTY && process.stderr.isTTY && { terminal: openTerminal() }),
  });
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 2;
}

/** A command has neither a log nor metrics. */
function openQuietly(config: Config, limits: { readonly connectTimeoutMs: number }) {
  const metrics = createMetrics({ processMetrics: false });
  return openLeanAccess({ config, logger: { write: () => undefined }, metrics, limits });
}

/**
 * `process.exit` waits for the threads that read files and resolve names, and one of those may hang. Another program in
 * this one's place needs none of them.
 */
function endSoon(code: number): void {
  // Time for what was written to get out, and for what still closes in order.
  const endMs = 500;
  setTimeout(() => {
    process.execve?.('/bin/sh', ['sh', '-c', `exit ${code}`]);
    process.exit(code);
  }, endMs).unref();
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
