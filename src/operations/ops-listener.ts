// The operations listener: liveness, readiness, metrics, and the operator's pages where there is a token for them. Never
// on the public port. Whoever asks for the first three gets what this process already knows: they ask no engine.
import helmet from '@fastify/helmet';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { listenFailure, reachableAuthority } from '../core/listen-address.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Readiness } from '../observability/readiness.ts';

interface OpsListenerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly readiness: Readiness;
  readonly metrics: Pick<Metrics, 'registry'>;
  /** Left out where no OPS_TOKEN is set: then there are none. */
  readonly pages?: { register(app: FastifyInstance): Promise<void> };
}

export interface OpsListener {
  /** Without a path, as reached from this machine. */
  readonly url: string;
  close(): Promise<void>;
}

/** Throws PORT_IN_USE naming OPS_PORT. */
export async function startOpsListener(options: OpsListenerOptions): Promise<OpsListener> {
  const { host, port, readiness, metrics, pages } = options;
  const app = Fastify({
    logger: false,
    bodyLimit: 1024,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    frameworkErrors: (_error, _request, reply) => void sendCode(reply, 404),
  });
  await app.register(helmet);
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });
  app.get('/livez', async () => ({ live: true }));
  app.get('/readyz', async (_request, reply) => {
    const report = readiness.report();
    return reply.code(report.ready ? 200 : 503).send(report);
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  await pages?.register(app);
  app.setNotFoundHandler((_request, reply) => sendCode(reply, 404));
  app.setErrorHandler((error, _request, reply) => {
    const sender = error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500;
    return sendCode(reply, sender ? 400 : 500);
  });
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenFailure(error, { variable: 'OPS_PORT', port });
  }
  const address = app.server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${reachableAuthority({ host, port: bound })}`,
    close: () => app.close(),
  };
}

const codes = { 400: 'BAD_REQUEST', 404: 'NOT_FOUND', 500: 'INTERNAL' } as const;

/** Fastify's own words would quote the request. */
function sendCode(reply: FastifyReply, status: keyof typeof codes): FastifyReply {
  return reply.code(status).send({ code: codes[status] });
}
