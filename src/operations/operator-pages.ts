// The pages for whoever holds OPS_TOKEN: `/status` and `/queues`. They only read, on connections of their own, and a
// Redis or a Postgres that is away takes no more from them than the parts it would have filled.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config/load-config.ts';
import { serviceVersion } from '../config/service-version.ts';
import { endsWithin } from '../core/deadline.ts';
import { createOpened } from '../core/opened.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Readiness } from '../observability/readiness.ts';
import { openQueueMeasure, type QueueMeasure } from '../queue/queue-depth.ts';
import { openDatabase, postgresDialect, type Database } from '../store/database.ts';
import { createDeliveryFlow, type DeliveryFlow } from './delivery-flow.ts';
import { createOperatorAccess, type OperatorAccess } from './operator-access.ts';
import { createQueuesPage, queuesPath } from './queues-page.ts';
import { statusPage } from './status-page.ts';
import { collectStatus, deliveryTotals, sourceDeadlineMs, type StatusReport } from './status-parts.ts';
import { statusPolicy } from './status-style.ts';

export interface OperatorPages {
  /** Adds the routes, behind the token. */
  register(app: FastifyInstance): Promise<void>;
  /** Engines that are only known once a role has started them; the caller closes the database. */
  useEngines(engines: { readonly redisUrl: string; readonly database: Database }): void;
  close(): Promise<void>;
}

export interface OperatorPagesOptions {
  readonly role: 'receiver' | 'worker' | 'all';
  readonly token: string;
  readonly config: Pick<Config, 'REDIS_URL' | 'QUEUE_PREFIX' | 'DATABASE_URL' | 'DATABASE_SCHEMA'>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** Between two looks at the counter of deliveries; 15,000 when left out. */
  readonly lookEveryMs?: number;
}

/** Pages may be asked for at the same time, and each asks for several figures. */
const poolSize = 2;
const defaultLookEveryMs = 15_000;
/** Nothing here is worth holding up the end of a process for. */
const closeDeadlineMs = 500;

export function createOperatorPages(options: OperatorPagesOptions): OperatorPages {
  const { role, token, config, metrics, readiness } = options;
  const opened = createOpened();
  const queuesPage = createQueuesPage();
  opened.add(() => queuesPage.close());
  let queues: QueueMeasure | null = null;
  let database: Database | null = null;

  function useRedis(url: string): void {
    const prefix = config.QUEUE_PREFIX ?? '';
    queues = openQueueMeasure({ url, prefix, deadlineMs: sourceDeadlineMs });
    opened.add(() => queues?.close());
    queuesPage.connect({ url, prefix, deadlineMs: sourceDeadlineMs });
  }

  if (config.REDIS_URL !== undefined) useRedis(config.REDIS_URL);
  if (role === 'worker' && config.DATABASE_URL !== undefined) {
    const own = openOwnDatabase(config.DATABASE_URL, config.DATABASE_SCHEMA);
    opened.add(() => own.close());
    database = own;
  }
  const flow = role === 'worker' ? null : createDeliveryFlow();
  if (flow !== null) opened.add(watchDeliveries(flow, options));
  const version = serviceVersion();
  const collect = onceAtATime(() =>
    collectStatus({
      role,
      version,
      metrics,
      readiness,
      flow,
      queues,
      database,
      readQueueInstallation: () => queuesPage.readInstallation(),
    }),
  );
  return {
    async register(app) {
      await app.register(async (scope) => {
        scope.addHook('onRequest', guard(createOperatorAccess(token), options));
        scope.get('/status', async (_request, reply) =>
          reply
            .header('content-security-policy', statusPolicy)
            .type('text/html; charset=utf-8')
            .send(statusPage(await collect())),
        );
        await queuesPage.register(scope);
        refuseOtherMethods(scope);
      });
    },
    useEngines(engines) {
      if (queues === null) useRedis(engines.redisUrl);
      database ??= engines.database;
    },
    async close() {
      await endsWithin(opened.closeAll(), closeDeadlineMs);
    },
  };
}

/** Of its own, so that a page is there also while all the worker's connections are busy. */
function openOwnDatabase(url: string, schema: string): Database {
  const dialect = postgresDialect({
    url,
    poolSize,
    applicationName: 'lean-status',
    // Whoever asks for the next page learns of it.
    onIdleError: () => undefined,
    statementTimeoutMs: sourceDeadlineMs,
  });
  return openDatabase({ dialect, schema });
}

function watchDeliveries(
  flow: DeliveryFlow,
  { metrics, lookEveryMs = defaultLookEveryMs }: OperatorPagesOptions,
): () => void {
  const look = async () => flow.add(await deliveryTotals(metrics), Date.now());
  const timer = setInterval(() => void look(), lookEveryMs).unref();
  return () => clearInterval(timer);
}

/** Whoever comes while an answer is on its way gets the same one. */
function onceAtATime(collect: () => Promise<StatusReport>): () => Promise<StatusReport> {
  let underWay: Promise<StatusReport> | null = null;
  return () => {
    underWay ??= collect().finally(() => {
      underWay = null;
    });
    return underWay;
  };
}

/** At most so often; a line says how many there were since the last. */
const refusalLineEveryMs = 1_000;

function guard(access: OperatorAccess, { logger, metrics }: OperatorPagesOptions) {
  let attempts = 0;
  let lineAtMs = -Infinity;
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const admission = access.judge(request.headers.authorization);
    if (admission === 'admitted') return undefined;
    if (admission === 'wrong') {
      metrics.operationsRefused.inc();
      attempts += 1;
      const nowMs = performance.now();
      if (nowMs - lineAtMs >= refusalLineEveryMs) {
        logger.write('operations_refused', { attempts, remote_address: request.ip });
        attempts = 0;
        lineAtMs = nowMs;
      }
    }
    return reply
      .code(401)
      .header('www-authenticate', 'Basic realm="operations", charset="UTF-8"')
      .send({ code: 'UNAUTHORIZED' });
  };
}

/** Nothing here changes anything, so every method but those of looking is refused. */
function refuseOtherMethods(scope: FastifyInstance): void {
  const method = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
  for (const url of ['/status', queuesPath, `${queuesPath}/*`]) {
    scope.route({
      method,
      url,
      handler: (_request, reply) =>
        reply.code(405).header('allow', 'GET, HEAD').send({ code: 'METHOD_NOT_ALLOWED' }),
    });
  }
}
