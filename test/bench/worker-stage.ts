// What worker benchmarks stand on: a Redis and a Postgres of their own that write as in production, a Lean, and workers
// as processes whose lines go to a file. Everything it starts it stops by pid.
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { workerSettings, type DeploymentParts } from '../support/deployment-settings.ts';
import { findPostgresFolder } from '../support/engines-binaries.ts';
import type { EngineProcess } from '../support/engines-processes.ts';
import { nodeCommand, runMigrate } from '../support/processes.ts';
import type { BenchContext, ScenarioResult } from './scenario.ts';
import { openSubjects, type SubjectStage } from './subjects.ts';
import type { LeanOptions } from './worker-lean.ts';

export interface WorkerProcess {
  readonly pid: number;
  /** SIGTERM, and waits for its end. */
  stop(): Promise<void>;
}

interface StartProgram {
  readonly name: string;
  readonly program: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** For Node itself. */
  readonly nodeArgs?: readonly string[];
}

export interface WorkerStage {
  readonly subjects: SubjectStage;
  readonly parts: DeploymentParts;
  readonly redis: EngineProcess;
  readonly postgres: EngineProcess;
  readonly database: Database;
  /** SIGKILL; started again it has its data back, on the same port. */
  stopRedis(): Promise<void>;
  restartRedis(): Promise<void>;
  /** A worker as a process, ready. */
  startWorker(settings?: Readonly<Record<string, string>>): Promise<WorkerProcess>;
  /** Any of the project's programs that says `listening` when it is ready. */
  startProgram(options: StartProgram): Promise<WorkerProcess>;
}

/** What a machine with two cores and some memory would be given; every write is waited for. */
const postgresArgs = [
  'fsync=on',
  'synchronous_commit=on',
  'full_page_writes=on',
  'shared_buffers=512MB',
  'max_wal_size=4GB',
];
const schema = 'lean';

/** Closes whatever was started, also when it went wrong. Says nothing of a machine that has no Postgres. */
export async function withWorkers(
  context: BenchContext,
  lean: LeanOptions,
  use: (stage: WorkerStage) => Promise<ScenarioResult>,
): Promise<ScenarioResult> {
  if (findPostgresFolder() === undefined) {
    context.say('left out: Postgres is not on this machine');
    return { figures: [], ratios: [] };
  }
  const subjects = await openSubjects(context);
  try {
    const stage = await raise(subjects, lean);
    try {
      return await use(stage);
    } finally {
      await stage.database.close();
    }
  } finally {
    await subjects.close();
  }
}

async function raise(subjects: SubjectStage, lean: LeanOptions): Promise<WorkerStage> {
  const { grounds, engines } = subjects;
  const { files, secret, payloadKey, folder: dir } = grounds;
  const [redis, postgres] = [
    await subjects.startRedis(),
    await engines.startPostgres({ args: postgresArgs }),
  ];
  const program = nodeCommand('test/bench/worker-lean-process.ts');
  const asked = JSON.stringify({ ...lean, certificates: path.join(dir, 'certificates') });
  const started = grounds.run({ name: 'lean', command: [...program, asked] });
  const { url: leanUrl = '' } = await started.listening();
  const addresses = { redisUrl: redis.url, databaseUrl: postgres.url, leanUrl };
  const parts = { files, dir, schema, appToken: randomUUID(), secret, payloadKey, ...addresses };
  await runMigrate(workerSettings(parts));

  let redisPid = redis.pid;
  async function startProgram(options: StartProgram): Promise<WorkerProcess> {
    const { name, args = [], env = {}, nodeArgs = [] } = options;
    const [node, ...rest] = nodeCommand(options.program);
    const one = grounds.run({ name, command: [node, ...nodeArgs, ...rest, ...args], env });
    await one.listening();
    return {
      pid: one.pid,
      async stop() {
        one.signal('SIGTERM');
        await one.exited;
      },
    };
  }

  return {
    subjects,
    parts,
    redis,
    postgres,
    database: openBenchDatabase(postgres.url),
    stopRedis: () => engines.signal(redisPid, 'SIGKILL'),
    async restartRedis() {
      const { port, folder } = redis;
      const args = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
      ({ pid: redisPid } = await engines.startRedis({ args, port, folder }));
    },
    startProgram,
    startWorker: (settings = {}) =>
      startProgram({
        name: 'worker',
        program: 'src/main-worker.ts',
        env: { ...workerSettings(parts), ...settings },
        nodeArgs: profileArgs(),
      }),
  };
}

/** BENCH_CPU_PROFILE: a folder for the CPU profile of every worker. */
function profileArgs(): string[] {
  // oxlint-disable-next-line node/no-process-env -- of whoever runs the benchmark
  const { BENCH_CPU_PROFILE: folder } = process.env;
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

function openBenchDatabase(url: string): Database {
  return openDatabase({
    schema,
    dialect: postgresDialect({ url, poolSize: 4, applicationName: 'bench', onIdleError: () => undefined }),
  });
}
