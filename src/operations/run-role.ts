// The life of a role's process: configuration, logger, metrics, the role itself, the operations listener, and an
// orderly end on a signal. Never leaves a process half started: what fails at the start ends it with exit code 1.
import closeWithGrace from 'close-with-grace';
import { AppError } from '../core/app-error.ts';
import { createOpened, type Opened } from '../core/opened.ts';
import { summarizeConfig } from '../config/config-summary.ts';
import { loadConfig, type Config, type RoleConfig } from '../config/load-config.ts';
import { serviceVersion } from '../config/service-version.ts';
import { createLogger, type Logger, type ProcessLogger } from '../observability/logger.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { createReadiness, type Readiness } from '../observability/readiness.ts';
import type { OperatorPages, OperatorPagesOptions } from './operator-pages.ts';
import { startOpsListener } from './ops-listener.ts';

export type ServingRole = 'receiver' | 'worker' | 'all';

export interface RoleContext<R extends ServingRole> {
  readonly config: RoleConfig<R>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** For the operator's pages, where the role has started engines that the configuration does not name. */
  readonly useEngines: OperatorPages['useEngines'];
}

export interface RunningRole {
  /** The public address; a worker has none. */
  readonly url?: string;
  /** Takes at most the shutdown's delay and timeout of the configuration. */
  close(): Promise<void>;
}

interface RunRoleOptions<R extends ServingRole> {
  readonly role: R;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly start: (context: RoleContext<R>) => Promise<RunningRole>;
}

/** Beyond the role's own time, for the operations listener and the last lines. */
const closingMarginMs = 2_000;

/** Resolves when the role is serving; the process then lives until a signal or a failure nobody caught. */
export async function runRole<R extends ServingRole>({ role, env, start }: RunRoleOptions<R>): Promise<void> {
  const config = readConfig(role, env);
  const logger = createLogger({ level: config.LOG_LEVEL, role });
  const readiness = createReadiness();
  const metrics = createMetrics({ readiness });
  logger.write('starting', {
    version: serviceVersion(),
    node: process.versions.node,
    config: summarizeConfig(config),
  });
  for (const { code, variable, problem } of config.warnings)
    logger.write('config_warning', { variable, problem, ...(code !== undefined && { failure_code: code }) });
  const opened = createOpened();
  closeOnSignal({ config, role, logger, opened });
  let started = false;
  readiness.register('started', () => (started ? { ok: true } : { ok: false, code: 'STARTING' }));
  try {
    // First up and last down: "not ready" is only of use while somebody can ask.
    const { OPS_HOST: host, OPS_PORT: port } = config;
    const pages = await openPages({ role, config, logger, metrics, readiness });
    if (pages !== null) opened.add(() => pages.close());
    const ops = await startOpsListener({ host, port, readiness, metrics, ...(pages && { pages }) });
    opened.add(() => ops.close());
    const useEngines: RoleContext<R>['useEngines'] = (engines) => pages?.useEngines(engines);
    const running = await start({ config, logger, metrics, readiness, useEngines });
    opened.add(() => running.close());
    started = true;
    const { url } = running;
    logger.write('listening', { ...(url !== undefined && { url }), opsUrl: ops.url });
  } catch (error) {
    logger.write('start_failed', { error, ...(error instanceof AppError && { problem: error.message }) });
    await opened.closeAll();
    await logger.flush();
    process.exit(1);
  }
}

/** Null without a token. What the pages are made with is loaded for them alone. */
async function openPages(
  options: Omit<OperatorPagesOptions, 'token' | 'config'> & { readonly config: Config },
): Promise<OperatorPages | null> {
  const { OPS_TOKEN: token } = options.config;
  if (token === undefined) return null;
  const { createOperatorPages } = await import('./operator-pages.ts');
  return createOperatorPages({ ...options, token });
}

/** The list of problems is for a person at a terminal, so it is no log line. */
function readConfig<R extends ServingRole>(role: R, env: RunRoleOptions<R>['env']): RoleConfig<R> {
  try {
    return loadConfig(role, env);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exit(1);
  }
}

interface Closing {
  readonly config: { readonly SHUTDOWN_DELAY_MS: number; readonly SHUTDOWN_TIMEOUT_MS: number };
  readonly role: ServingRole;
  readonly logger: ProcessLogger;
  readonly opened: Opened;
}

/** Exit code 0 after a signal, 1 after an error nobody caught; a second signal ends at once. */
function closeOnSignal({ config, role, logger, opened }: Closing): void {
  const delayMs = role === 'worker' ? 0 : config.SHUTDOWN_DELAY_MS;
  const refused = (phase: string) => logger.write('shutdown', { phase });
  closeWithGrace(
    {
      delay: delayMs + config.SHUTDOWN_TIMEOUT_MS + closingMarginMs,
      logger: false,
      onTimeout: () => refused('cut_by_timeout'),
      onSecondSignal: () => refused('cut_by_second_signal'),
      onSecondError: (error) => logger.write('crashed', { error }),
    },
    async ({ err: error, signal }) => {
      if (error !== undefined) logger.write('crashed', { error });
      else logger.write('shutdown', { phase: 'begun', signal: signal ?? 'none' });
      try {
        await opened.closeAll();
      } catch (closeError) {
        logger.write('crashed', { error: closeError });
        throw closeError;
      } finally {
        await logger.flush();
      }
    },
  );
}
