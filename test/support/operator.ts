// The operator's command line for tests: runs one command in this process and gives what it said and how it ended.
import { readOpsConfig } from '../../src/config/load-config.ts';
import type { OperatorContext } from '../../src/operations/operator-command.ts';
import { runOpsCommand } from '../../src/operations/ops-command.ts';
import { startForwarder } from '../../src/receiver/forwarder.ts';
import type { Database } from '../../src/store/database.ts';
import { openLeanAccess } from '../../src/worker/lean-access.ts';
import { planSweeps } from '../../src/worker/sweep-plan.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { silentLogger } from './silent-logger.ts';

export interface OperatorWish {
  readonly database?: Database;
  readonly env?: Readonly<Record<string, string>>;
  /** What somebody at a terminal answers; left out, nobody is there. */
  readonly answer?: string;
  readonly stop?: AbortSignal;
  /** Who is logged in; nobody with a name when it is null. */
  readonly operator?: string | null;
  /** As a running `npm start` runs what others ask it for. */
  readonly onRowsOnly?: boolean;
  /** In the place of those that come with node. */
  readonly publicAuthorities?: readonly string[];
}

export interface OperatorAnswer {
  readonly code: number;
  readonly output: string;
  /** What was asked at the terminal. */
  readonly asked: readonly string[];
  /** Lines of progress, in order. */
  readonly progress: readonly string[];
}

export async function operate(argv: readonly string[], wish: OperatorWish = {}): Promise<OperatorAnswer> {
  const { database, env = {}, answer, stop = new AbortController().signal, operator = 'tester' } = wish;
  const written: string[] = [];
  const asked: string[] = [];
  const progress: string[] = [];
  const { config, refusal } = readOpsConfig(env);
  const terminal: OperatorContext['terminal'] =
    answer === undefined
      ? undefined
      : {
          ask(question) {
            asked.push(question);
            return Promise.resolve(answer);
          },
          showProgress: (line) => void progress.push(line),
        };
  const code = await runOpsCommand({
    argv,
    config,
    databaseUrl: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    developmentSocket: '',
    write: (text) => written.push(text),
    untilInterrupted: () => stop,
    startForwarder,
    lean: {
      open: (leanConfig, limits) =>
        openLeanAccess({
          config: leanConfig,
          limits,
          logger: silentLogger,
          metrics: createMetrics({ processMetrics: false }),
        }),
      planSweeps,
    },
    env,
    ...(wish.onRowsOnly && { onRowsOnly: true }),
    ...(wish.publicAuthorities && { publicAuthorities: wish.publicAuthorities }),
    ...(refusal !== null && { configRefusal: refusal }),
    ...(database && { database }),
    ...(operator !== null && { operator }),
    ...(terminal && { terminal }),
  });
  return { code, output: written.join('\n'), asked, progress };
}

/** Every entry of the operators' log, oldest first. */
export async function logEntries(database: Database) {
  return database.db
    .selectFrom('operator_log')
    .select(['operator', 'command', 'affected', 'details'])
    .orderBy('log_id')
    .execute();
}
