// `/queues`: bull-board over our queues, for looking only. Serves GET alone, waits for Redis no longer than its bound,
// and sends a browser nowhere else.
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyInstance } from 'fastify';
import { createQueueBoard, type QueueBoard } from '../queue/queue-board.ts';

export interface QueuesPage extends QueueBoard {
  /** Adds the routes below `/queues`; who may come in is decided before. */
  register(app: FastifyInstance): Promise<void>;
}

export const queuesPath = '/queues';

/** Its scripts and styles are files of its own; React writes `style` attributes. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Its page asks a font service for its letters, and every browser has some. */
const linksElsewhere = /<link\b[^>]*\bhref="https?:[^>]*>/g;

export function createQueuesPage(): QueuesPage {
  const adapter = new LookingAdapter();
  adapter.setBasePath(queuesPath);
  const board = createQueueBoard(adapter);
  adapter.ask = (work) => board.ask(work);
  return {
    ...board,
    async register(app) {
      await app.register(
        async (scope) => {
          scope.addHook('onRequest', async (_request, reply) => {
            reply.header('content-security-policy', policy);
          });
          scope.addHook('onSend', async (_request, reply, payload) =>
            typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html')
              ? payload.replaceAll(linksElsewhere, '')
              : payload,
          );
          await scope.register(adapter.registerPlugin());
        },
        { prefix: queuesPath },
      );
    },
  };
}

type ApiRoutes = Parameters<FastifyAdapter['setApiRoutes']>[0];

/** What changes something is not even there, and what an engine says of a failure goes no further. */
class LookingAdapter extends FastifyAdapter {
  /** Set before anybody can ask. */
  ask: QueueBoard['ask'] = (work) => work();

  override setApiRoutes(routes: ApiRoutes): FastifyAdapter {
    const looking = routes.filter(({ method }) => method === 'get');
    return super.setApiRoutes(looking.map((route) => this.#bounded(route)));
  }

  #bounded(route: ApiRoutes[number]): ApiRoutes[number] {
    return { ...route, handler: (request) => this.ask(async () => route.handler(request)) };
  }

  override setErrorHandler(): this {
    return super.setErrorHandler(() => ({
      status: 500,
      body: { error: 'ERRORS.INTERNAL_SERVER_ERROR', message: 'Redis does not answer' },
    }));
  }
}
