// A BullMQ worker that does nothing with a queue's jobs, as BullMQ's documentation starts one: what the queue alone costs.
// Says `listening` when it takes jobs.
import { Worker } from 'bullmq';
import { z } from 'zod';

const { url, queueName, prefix, concurrency } = z
  .strictObject({
    url: z.string(),
    queueName: z.string(),
    prefix: z.string(),
    concurrency: z.int().positive(),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'));
const { hostname: host, port } = new URL(url);
const worker = new Worker(queueName, () => Promise.resolve(), {
  connection: { host, port: Number(port) },
  prefix,
  concurrency,
});
worker.on('error', (error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`);
