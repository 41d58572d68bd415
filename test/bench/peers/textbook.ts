// What a good engineer writes in an afternoon, from the documentation of Fastify, zod and BullMQ: mTLS, a schema, a job
// with the event's id, and 200 when Redis has it. Nothing that its users would not write is added or left out.
import { Queue } from 'bullmq';
import Fastify from 'fastify';
import { z } from 'zod';
import { peerTls, readPeerSettings, sayListening } from './peer-settings.ts';

const webhookSchema = z.looseObject({
  type: z.string(),
  event_id: z.string(),
  timestamp: z.string(),
  payload: z.looseObject({}),
});

const settings = readPeerSettings();
const { hostname, port } = new URL(settings.redisUrl ?? '');
const queue = new Queue('webhooks', {
  connection: { host: hostname, port: Number(port) },
  defaultJobOptions: { attempts: 5, removeOnComplete: true },
});
queue.on('error', () => {});
const app = Fastify({ https: peerTls(settings) });

app.post('/webhooks/lean', async (request, reply) => {
  const webhook = webhookSchema.parse(request.body);
  await queue.add(webhook.type, webhook, { jobId: webhook.event_id });
  return reply.code(200).send();
});

sayListening(await app.listen({ host: '127.0.0.1', port: settings.port }));
