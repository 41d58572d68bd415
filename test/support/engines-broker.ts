// What tests and the broker that owns the engine processes say to each other: one JSON request, one JSON reply.
import { request as httpRequest } from 'node:http';
import { z } from 'zod';

const startFields = {
  args: z.array(z.string()).optional(),
  port: z.number().optional(),
  folder: z.string().optional(),
};
const signals = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGSTOP', 'SIGCONT'] as const;

export const brokerRequestSchema = z.discriminatedUnion('want', [
  z.object({ want: z.literal('shared') }),
  z.object({ want: z.literal('redis'), ...startFields }),
  z.object({ want: z.literal('postgres'), ...startFields }),
  z.object({ want: z.literal('signal'), pid: z.number(), signal: z.enum(signals) }),
]);
export type BrokerRequest = z.infer<typeof brokerRequestSchema>;
export type EngineSignal = (typeof signals)[number];

const kindSchema = z.enum(['real', 'embedded']);
export const sharedEnginesSchema = z.object({
  redis: z.object({ kind: kindSchema, url: z.string() }),
  postgres: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('real'), url: z.string() }),
    /** A file that an empty PGlite can be made from. */
    z.object({ kind: z.literal('embedded'), url: z.undefined().optional(), template: z.string() }),
  ]),
  canStart: z.object({ redis: z.boolean(), postgres: z.boolean() }),
});
export type SharedEngines = z.infer<typeof sharedEnginesSchema>;

export const engineProcessSchema = z.object({
  url: z.string(),
  port: z.number(),
  pid: z.number(),
  folder: z.string(),
});

const replySchema = z.object({ value: z.unknown().optional(), error: z.string().optional() });

/** Asks the broker; throws what it answered as an error. */
export async function askBroker(socketPath: string, wish: BrokerRequest): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    const request = httpRequest({ socketPath, method: 'POST', path: '/', agent: false }, (response) => {
      response
        .setEncoding('utf8')
        .toArray()
        .then((chunks) => resolve(chunks.join('')))
        .catch(reject);
    });
    request.once('error', reject);
    request.end(JSON.stringify(wish));
  });
  const reply = replySchema.parse(JSON.parse(text));
  if (reply.error !== undefined) throw new Error(reply.error);
  return reply.value;
}

declare module 'vitest' {
  export interface ProvidedContext {
    enginesBroker: string;
  }
}
