// The operator's page of the queues is served by the process that takes webhooks: nothing it asks for may be without a bound.
import { expect, it } from 'vitest';
import { z } from 'zod';
import { openEventQueue } from '../../src/queue/work-queues.ts';
import { engines, uniquePrefix } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import { servePages, type ServedPages } from '../support/served-pages.ts';

const boardSchema = z.object({
  queues: z.array(z.object({ name: z.string(), jobs: z.array(z.unknown()) })),
});

async function jobsOf(pages: ServedPages, page: string): Promise<number | undefined> {
  const reply = await pages.get(`/queues/api/queues?activeQueue=webhook-events&status=waiting&${page}`);
  expect(reply.status).toBe(200);
  const { queues } = boardSchema.parse(await reply.json());
  return queues.find(({ name }) => name === 'webhook-events')?.jobs.length;
}

it('loads a page of jobs and no more, however many are asked for', async (context) => {
  const options = { url: engines.redisUrl, prefix: uniquePrefix() };
  const queue = openEventQueue(options);
  const keys = Array.from({ length: 105 }, (_, index) => `ev_of-the-test_${index}`);
  await queue.add(keys.map((id) => ({ id, data: { eventKey: id } })));
  await queue.close();
  const pages = await servePages({ role: 'receiver', redisUrl: options.url, prefix: options.prefix });
  context.onTestFinished(() => pages.close());
  await eventually(async () => expect(await jobsOf(pages, 'page=1&jobsPerPage=1000000')).toBe(100));
  expect(await jobsOf(pages, 'page=2&jobsPerPage=100')).toBe(5);
});
