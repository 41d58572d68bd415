// Vitest's global setup: one broker per run, which starts engines when the first test asks for them and stops them
// at the end. It owns every engine process, so a test worker that dies leaves nothing behind.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { brokerRequestSchema, type BrokerRequest, type SharedEngines } from './engines-broker.ts';
import { findPostgresFolder, findRedisServer } from './engines-binaries.ts';
import { chooseEngines, type EngineChoice } from './engines-choice.ts';
import { writePgliteTemplate } from './engines-pglite.ts';
import { createEngineProcesses, type EngineProcesses, type StartOptions } from './engines-processes.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const processes = createEngineProcesses();
  let shared: Promise<SharedEngines> | undefined;
  const server = createServer((request, response) => {
    answer(request, { processes, shared: () => (shared ??= startShared(processes)) })
      .then((value) => response.end(JSON.stringify({ value })))
      .catch((error: unknown) => response.end(JSON.stringify({ error: String(error) })));
  });
  const socket = join(processes.home, 'broker');
  server.listen(socket);
  await once(server, 'listening');
  project.provide('enginesBroker', socket);
  process.on('SIGTERM', interrupted);
  return async () => {
    process.removeListener('SIGTERM', interrupted);
    server.close();
    server.closeAllConnections();
    await processes.close();
  };
}

/** Leaving through `exit` lets the processes be stopped on the way. */
function interrupted(): void {
  process.exit(130);
}

interface Broker {
  readonly processes: EngineProcesses;
  readonly shared: () => Promise<SharedEngines>;
}

async function answer(request: IncomingMessage, broker: Broker): Promise<unknown> {
  const chunks = await request.setEncoding('utf8').toArray();
  return handle(brokerRequestSchema.parse(JSON.parse(chunks.join(''))), broker);
}

function handle(request: BrokerRequest, { processes, shared }: Broker): Promise<unknown> {
  switch (request.want) {
    case 'shared':
      return shared();
    case 'redis':
      return processes.startRedis(request);
    case 'postgres':
      return startPostgres(processes, request);
    case 'signal':
      return processes.signal(request.pid, request.signal);
  }
}

async function startShared(processes: EngineProcesses): Promise<SharedEngines> {
  const chosen = chooseEngines(process.env);
  const [redis, postgres] = await Promise.all([
    startSharedRedis(processes, chosen.redis),
    startSharedPostgres(processes, chosen.postgres),
  ]);
  return {
    redis,
    postgres,
    // A run on embedded engines keeps to them, also where the programs are installed.
    canStart: {
      redis: redis.kind === 'real' && findRedisServer() !== undefined,
      postgres: postgres.kind === 'real' && findPostgresFolder() !== undefined,
    },
  };
}

async function startSharedRedis(
  processes: EngineProcesses,
  { kind, url }: EngineChoice['redis'],
): Promise<SharedEngines['redis']> {
  if (url !== undefined) return { kind, url };
  const started = kind === 'real' ? processes.startRedis() : processes.startEmbeddedRedis();
  return { kind, url: (await started).url };
}

async function startSharedPostgres(
  processes: EngineProcesses,
  { kind, url }: EngineChoice['postgres'],
): Promise<SharedEngines['postgres']> {
  if (kind === 'real') return { kind, url: url ?? (await startPostgres(processes)).url };
  return { kind, template: await writePgliteTemplate(processes.home) };
}

/** What it knows of a table would depend on when it last looked by itself, and with it the plan of a statement. */
function startPostgres(processes: EngineProcesses, { args = [], ...options }: StartOptions = {}) {
  return processes.startPostgres({ ...options, args: ['autovacuum=off', ...args] });
}
