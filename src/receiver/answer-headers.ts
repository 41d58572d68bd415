// What helmet puts on an answer, asked of it once: working it out anew costs each delivery more than its HMAC.
// Never a line that depends on the request.
import helmet from '@fastify/helmet';
import Fastify from 'fastify';

/** Names and values in turn, as `writeHead` takes them. */
export async function securityHeaders(): Promise<readonly string[]> {
  const app = Fastify({ logger: false });
  const lines: string[] = [];
  // No answer of ours is a page: nothing may be loaded for it, and nobody may frame it.
  const directives = { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] };
  await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives } });
  app.get('/', (_request, reply) => {
    for (const [name, value] of Object.entries(reply.raw.getHeaders())) lines.push(name, String(value));
    return reply.send();
  });
  await app.inject('/');
  await app.close();
  if (lines.length === 0) throw new TypeError('helmet set no header');
  return lines;
}
