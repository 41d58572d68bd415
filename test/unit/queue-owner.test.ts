// Whose jobs a worker may take: nothing of another installation's is handled or added, and what is taken is handed back.
import { expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import type { JobHandler } from '../../src/queue/job-processor.ts';
import { createQueueOwner } from '../../src/worker/queue-owner.ts';

const { signal } = new AbortController();
const job = { id: 'ev_1', data: { eventKey: 'one' }, attempt: 1, attempts: 10 };

/** `held`: what Redis holds under the prefix; null while it is away. */
function owned(held: () => string | null) {
  const handled: string[] = [];
  const added: number[] = [];
  const owner = createQueueOwner({
    installationId: 'ours',
    prefix: '{ours}',
    eventQueue: {
      publishInstallation() {
        const id = held();
        return id === null ? Promise.reject(new AppError('QUEUE_UNAVAILABLE', 'away')) : Promise.resolve(id);
      },
    },
  });
  const handle: JobHandler<'webhook-events'> = ({ id }) => {
    handled.push(id);
    return Promise.resolve({ kind: 'done' });
  };
  const queue = owner.guardAdds<number>({
    add(jobs) {
      added.push(...jobs);
      return Promise.resolve();
    },
  });
  return { owner, handled, added, queue, take: () => owner.guardJobs(handle)(job, signal) };
}

it('starts with Redis away, and takes jobs once it has published its installation', async () => {
  let held: string | null = null;
  const { owner, handled, take } = owned(() => held);
  await owner.checkStart();
  expect(owner.state()).toEqual({ ok: true });
  expect(await take()).toMatchObject({ kind: 'later' });
  expect(handled).toEqual([]);
  held = 'ours';
  expect(await take()).toEqual({ kind: 'done' });
  expect(handled).toEqual(['ev_1']);
});

it('that finds another installation only later hands its jobs back, adds none, says so, and goes on when it is mended', async () => {
  let held: string | null = null;
  const { owner, handled, added, queue, take } = owned(() => held);
  await owner.checkStart();
  held = 'theirs';
  expect(await take()).toMatchObject({ kind: 'later' });
  expect(handled).toEqual([]);
  expect(owner.state()).toEqual({ ok: false, code: 'WRONG_INSTALLATION' });
  await expect(queue.add([1])).rejects.toMatchObject({ code: 'WRONG_INSTALLATION' });
  held = 'ours';
  await owner.publishInstallation('ours');
  expect(owner.state()).toEqual({ ok: true });
  expect(await take()).toEqual({ kind: 'done' });
  await queue.add([2]);
  expect(added).toEqual([2]);
});

it('does not start where another installation is published, and lets no other failure pass for an absence', async () => {
  await expect(owned(() => 'theirs').owner.checkStart()).rejects.toMatchObject({
    code: 'WRONG_INSTALLATION',
  });
  const broken = createQueueOwner({
    installationId: 'ours',
    prefix: '{ours}',
    eventQueue: { publishInstallation: () => Promise.reject(new TypeError('broken')) },
  });
  await expect(broken.checkStart()).rejects.toThrow('broken');
});
