// A BullMQ worker that does nothing, with the settings and the connections of the service's own: what the queue alone
// costs. Says `listening` when it takes jobs.
import { z } from 'zod';
import { openQueueWorker } from '../../src/queue/queue-worker.ts';

const { url, prefix, concurrency } = z
  .strictObject({ url: z.string(), prefix: z.string(), concurrency: z.int().positive() })
  .parse(JSON.parse(process.argv[2] ?? '{}'));
openQueueWorker({
  queueName: 'webhook-events',
  url,
  prefix,
  concurrency,
  process: () => Promise.resolve(),
  onError: (error) => process.stderr.write(`${error.message}\n`),
  onStalled: () => undefined,
});
process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`);
