// Receiver and worker in one process, for development: `npm start`. Settings come from the environment, then from
// `.env`, else from what `npm run simulate` shares. Engines that are not configured are embedded.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { startDevelopmentEngines, type DevelopmentEngines } from './embedded/development-engines.ts';
import { lockEmbeddedFolder } from './embedded/embedded-lock.ts';
import { AppError } from './core/app-error.ts';
import { createOpened, type Opened } from './core/opened.ts';
import { runOpsCommand } from './operations/ops-command.ts';
import { runRole, type RoleContext, type RunningRole } from './operations/run-role.ts';
import { startReceiver } from './receiver/start-receiver.ts';
import { refuseAnothers, stampInstallation } from './store/installation-store.ts';
import { migrate } from './store/migrate.ts';
import { startWorker } from './worker/start-worker.ts';

const dir = './data/dev';
const settings = ['.env', `${dir}/development.env`].find((file) => existsSync(file));
const env = {
  HOST: '127.0.0.1',
  JOURNAL_DIR: `${dir}/journal`,
  SHUTDOWN_DELAY_MS: '0',
  ...(settings !== undefined && parseEnv(readFileSync(settings, 'utf8'))),
  ...process.env,
};

const folder = ownFolder();
await runRole({ role: 'all', env, start: startAll });

/** Before anything else, so that a second start says this and not that some port is taken. */
function ownFolder(): { close(): void } {
  try {
    return lockEmbeddedFolder(dir);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    process.stderr.write(`${error.code}: ${error.message}\n`);
    process.exit(1);
  }
}

async function startAll(context: RoleContext<'all'>): Promise<RunningRole> {
  const { config, logger } = context;
  const engines = await startDevelopmentEngines({
    dir,
    redisUrl: config.REDIS_URL,
    databaseUrl: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    poolSize: config.DATABASE_POOL_SIZE,
    searchPath: process.env['PATH'] ?? '',
    onIdleError: (error) => logger.write('database_state', { outcome: 'connection_lost', error }),
    runCommand: ({ argv, operator, write, stop }, database) =>
      runOpsCommand({
        argv,
        config,
        database,
        onRowsOnly: true,
        databaseUrl: undefined,
        schema: config.DATABASE_SCHEMA,
        developmentSocket: '',
        write,
        untilInterrupted: () => stop,
        ...(operator !== undefined && { operator }),
      }),
  });
  const opened = createOpened();
  opened.add(() => folder.close());
  opened.add(() => engines.close());
  try {
    const url = await startRoles({ context, engines, opened });
    sayHowToGoOn({ url, engines, isSimulated: settings !== '.env' });
    return { url, close: () => opened.closeAll() };
  } catch (error) {
    await opened.closeAll();
    throw error;
  }
}

interface Starting {
  readonly context: RoleContext<'all'>;
  readonly engines: DevelopmentEngines;
  readonly opened: Opened;
}

async function startRoles({ context, engines, opened }: Starting): Promise<string> {
  const { database, redisUrl } = engines;
  const { LEAN_ENVIRONMENT: environment, LEAN_REGION: region, LEAN_APP_TOKEN: appToken } = context.config;
  const facts = { environment, region, appToken };
  await refuseAnothers(database, facts);
  await migrate(database);
  await stampInstallation(database, facts);
  const config = { ...context.config, REDIS_URL: redisUrl };
  const hasEmbeddedRedis = context.config.REDIS_URL === undefined;
  context.useEngines({ redisUrl, database });
  const worker = await startWorker({ ...context, config, database, hasEmbeddedRedis });
  opened.add(() => worker.close());
  const receiver = await startReceiver({ ...context, config });
  opened.add(() => receiver.close());
  return receiver.url;
}

interface Said {
  readonly url: string;
  readonly engines: DevelopmentEngines;
  /** By what `npm run simulate` shares; a developer's own settings are another Lean's. */
  readonly isSimulated: boolean;
}

/** For the person at the terminal; standard output carries the log. */
function sayHowToGoOn({ url, engines: { summary }, isSimulated }: Said): void {
  const next = isSimulated ? 'simulate -- link-bank      ' : 'ops -- sweep --follow      ';
  process.stderr.write(
    [
      '',
      `Webhook URL   ${url}`,
      `Engines       ${summary}`,
      `Next          npm run ${next}(in a second terminal)`,
      'Then          npm run ops -- sql "select * from accounts"',
      '',
      '',
    ].join('\n'),
  );
}
