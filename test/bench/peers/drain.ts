// Takes our receiver's batches out of Redis and does nothing with them, so that its forwarder has all of its work and no
// worker has any: what comes behind the receiver is measured elsewhere.
import { z } from 'zod';
import { startJobRunner } from '../../../src/queue/job-runner.ts';

const { url, prefix } = z
  .strictObject({ url: z.string(), prefix: z.string() })
  .parse(JSON.parse(process.argv[2] ?? '{}'));

startJobRunner({
  queueName: 'webhook-intake',
  url,
  prefix,
  concurrency: 4,
  // As a worker does when the batch is in Postgres.
  handle: () => Promise.resolve({ kind: 'done', replaceData: { stored: true } }),
});
process.stdout.write(`${JSON.stringify({ msg: 'listening', url })}\n`);
