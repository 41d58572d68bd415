// What an operator sees with OPS_TOKEN, what nobody sees without, and what the pages say while an engine is away.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { concludedStatement, failuresStatement } from '../../src/store/status-store.ts';
import { engines, openTestDatabase, uniquePrefix, type TestDatabase } from '../support/engines.ts';
import { eventually } from '../support/eventually.ts';
import {
  countDeliveries,
  fillDatabase,
  fillQueues,
  hiddenWords,
  opsToken,
  servePages,
  wordsOf,
  type ServedPages,
} from '../support/served-pages.ts';

/** Nothing listens there. */
const redisThatIsDown = 'redis://127.0.0.1:1';
const postgresThatIsDown = 'postgres://nobody@127.0.0.1:1/nothing';

let pages: ServedPages;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const basic = (password: string) => `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`;

async function serve(options: Parameters<typeof servePages>[0]): Promise<void> {
  pages = await servePages(options);
  closers.unshift(() => pages.close());
}

async function serveWorker(prefix: string): Promise<TestDatabase> {
  const test = await openTestDatabase();
  closers.push(() => test.drop());
  await serve({
    role: 'worker',
    redisUrl: engines.redisUrl,
    prefix,
    databaseUrl: test.url,
    schema: test.schema,
    database: test.database,
  });
  return test;
}

describe('who comes in', () => {
  let open: ServedPages;
  beforeAll(async () => {
    open = await servePages({ role: 'receiver', redisUrl: engines.redisUrl, prefix: uniquePrefix() });
  });
  afterAll(() => open.close());

  it.each(['/status', '/queues', '/queues/', '/queues/api/queues', '/queues/static/images/logo.svg'])(
    'nobody to %s without a token, which is asked for without a line',
    async (path) => {
      const linesBefore = open.lines.length;
      for (const method of ['GET', 'POST']) {
        const reply = await open.get(path, { method });
        expect([reply.status, await reply.json()]).toEqual([401, { code: 'UNAUTHORIZED' }]);
        expect(reply.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
      }
      expect(open.lines).toHaveLength(linesBefore);
    },
  );

  it('nobody with a wrong token, which is counted and said without a word of it', async () => {
    for (const authorization of [`Bearer ${opsToken}x`, basic('guess'), basic(opsToken.slice(1))])
      expect((await open.get('/status', { headers: { authorization } })).status).toBe(401);
    expect((await open.metrics.operationsRefused.get()).values[0]?.value).toBe(3);
    expect(open.lines[0]).toEqual({
      event: 'operations_refused',
      fields: { attempts: 1, remote_address: '127.0.0.1' },
    });
    expect(JSON.stringify(open.lines)).not.toMatch(/ops-token|guess/);
  });

  it('everybody to what is for machines', async () => {
    for (const path of ['/livez', '/readyz', '/metrics']) expect((await open.get(path, {})).status).toBe(200);
  });

  it('a browser by its password, a program by Bearer', async () => {
    for (const authorization of [basic(opsToken), `Bearer ${opsToken}`])
      expect((await open.get('/status', { headers: { authorization } })).status).toBe(200);
  });

  it('and nobody changes anything', async () => {
    const job = '/queues/api/queues/webhook-intake';
    const paths = [
      '/status',
      '/queues',
      '/queues/api/queues/pause',
      `${job}/add`,
      `${job}/pause`,
      `${job}/empty`,
    ]
      .concat([`${job}/obliterate`, `${job}/clean/failed`, `${job}/retry/failed`, `${job}/promote`])
      .concat([`${job}/one/retry`, `${job}/one/clean`, `${job}/one/promote`, `${job}/one/update-data`]);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const path of paths) {
        const reply = await open.get(path, { method, headers: { authorization: basic(opsToken) } });
        const said = [method, path, reply.status, await reply.json()];
        expect(said).toEqual([method, path, 405, { code: 'METHOD_NOT_ALLOWED' }]);
        expect(reply.headers.get('allow')).toBe('GET, HEAD');
      }
    }
  });

  it('the status page lets nothing of anybody else in, and is kept nowhere', async () => {
    const reply = await open.get('/status');
    const page = await reply.text();
    const style = /<style>(.*)<\/style>/s.exec(page)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(reply.headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(reply.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page).not.toMatch(/https?:|<script|<form|<img| style=| on[a-z]+=/i);
  });

  it('every file of the queues page comes from here', async () => {
    for (const path of ['/queues', '/queues/', '/queues/queue/webhook-intake']) {
      const reply = await open.get(path);
      expect(reply.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; /,
      );
      const page = await reply.text();
      expect(page).toContain('<base href="/queues/" />');
      expect(page).not.toMatch(/(?:href|src)="(?:https?:)?\/\//);
      const script = /src="(static\/js\/main[^"]*)"/.exec(page)?.[1] ?? 'none';
      expect((await open.get(`/queues/${script}`)).status).toBe(200);
    }
  });
});

/** With every part of it: on a busy machine an engine may need longer than the page has. */
function wholePage(): Promise<string> {
  return eventually(
    async () => {
      const page = await pages.text('/status');
      expect(wordsOf(page)).not.toMatch(/not available/i);
      return page;
    },
    { timeoutMs: 60_000 },
  );
}

describe('the status of a receiver', () => {
  it('has its flow, its journal, its refusals by code and its certificates', async () => {
    const prefix = uniquePrefix();
    await fillQueues(engines.redisUrl, prefix);
    await serve({ role: 'receiver', redisUrl: engines.redisUrl, prefix });
    countDeliveries(pages);
    const page = await wholePage();
    const words = wordsOf(page);
    expect(words).toContain('Status of this receiver Ready.');
    expect(words).toContain('last hour 1,234 5');
    expect(words).toContain('17 deliveries, 5.0 MiB of 1,024 MiB');
    expect(words).toContain('Oldest of them 42 s old');
    expect(words).toContain('On the way to Postgres 2 batches');
    expect(words).toMatch(/webhook-intake 1 0 0 0 \d+ s/);
    expect(words).toContain('Installation installation-in-redis');
    expect(words).toMatch(/our own, shown to Lean by this receiver 00ff11ee22dd33cc [\d-]{10} 20, renew it/);
    expect(words).toMatch(/Lean's list of revoked certificates|Lean&#39;s list of revoked certificates/);
    expect(page).toContain('<a href="#code-SIGNATURE_INVALID">');
    expect(page).toContain('<dt id="code-SIGNATURE_INVALID">');
    expect(words).toContain('does not match the body under any secret of LEAN_WEBHOOK_SECRET');
    expect(words).not.toContain('Sweeps');
  });

  it('says which check fails, and what its code means', async () => {
    await serve({ role: 'receiver', redisUrl: engines.redisUrl, prefix: uniquePrefix() });
    pages.readiness.register('journal', () => ({ ok: false, code: 'NOT_DURABLE' }));
    expect(wordsOf(await pages.text('/status'))).toMatch(
      /Not ready: journal NOT_DURABLE .*NOT_DURABLE A delivery/,
    );
  });
});

describe('the status of a worker', () => {
  it('has what was concluded, what waits, what failed by code, and the sweeps', async () => {
    const prefix = uniquePrefix();
    const { database } = await serveWorker(prefix);
    const { installationId } = await fillDatabase(database);
    await fillQueues(engines.redisUrl, prefix);
    const page = await wholePage();
    const words = wordsOf(page);
    expect(words).toContain(`Installation ${installationId}`);
    expect(words).toContain('from processed ignored quarantined failed');
    expect(words).toContain('last hour 7 4 2 1');
    expect(words).toContain('last hour 1 1');
    expect(words).toContain('Open events 5 not concluded yet');
    expect(words).toContain('received 100 min ago');
    expect(words).toContain('In quarantine 2 quarantined, 1 failed');
    expect(words).toContain('lean-sync 2 0 0 0');
    expect(words).toContain('EVENT_NOT_JSON event quarantined 2');
    expect(words).toContain('LEAN_RATE_LIMITED sync failed 1');
    expect(words).toContain('events 2026-05-01 10:00:00 UTC 2026-05-01 09:50:00 UTC 3 0');
    expect(words).toContain('banks not yet - 0 2 LEAN_UNREACHABLE');
    for (const code of ['EVENT_NOT_JSON', 'EVENT_HANDLER_FAILED', 'LEAN_RATE_LIMITED', 'LEAN_UNREACHABLE'])
      expect(page).toContain(`<dt id="code-${code}">`);
    expect(words).not.toMatch(/somebody|account-|sync-1|journal/);
  });

  it('shows as text whatever stands in the database', async () => {
    const { database } = await serveWorker(uniquePrefix());
    await fillDatabase(database, { code: '"><script>alert(1)</script>&\u202E' });
    const page = await wholePage();
    expect(page).toContain('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;\u{FFFD}');
    expect(page).not.toContain('<script');
  });
});

it('what is asked of Postgres for it is answered by indexes alone', async () => {
  const { database } = await serveWorker(uniquePrefix());
  await database.transaction(async (transaction) => {
    // Small tables are read faster from end to end; what counts is whether the index fits the question.
    await sql`set local enable_seqscan = off`.execute(transaction);
    for (const [statement, indexes] of [
      [
        concludedStatement(database, { slotSeconds: 300, slots: 12, limit: 10 }),
        ['webhook_events_emptied', 'webhook_events_bodies', 'sync_runs_finished'],
      ],
      [failuresStatement(database, { limit: 10 }), ['webhook_events_trouble', 'sync_runs_failed']],
    ] as const) {
      const { rows } = await sql<{ 'QUERY PLAN': string }>`explain (costs off) ${statement}`.execute(
        transaction,
      );
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      for (const index of indexes) expect(plan).toContain(index);
      expect(plan).not.toMatch(/Seq Scan on (webhook_events|sync_runs)/);
    }
  });
});

/** Takes every connection and never says a word, as a frozen server does. */
async function startSilentServer(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a page is there and says what is not', () => {
  it.each(['gone', 'silent'] as const)('with Redis and Postgres %s', async (kind) => {
    const port = kind === 'silent' ? await startSilentServer() : 1;
    await serve({
      role: 'worker',
      redisUrl: kind === 'silent' ? `redis://127.0.0.1:${port}` : redisThatIsDown,
      databaseUrl: kind === 'silent' ? `postgres://nobody@127.0.0.1:${port}/nothing` : postgresThatIsDown,
    });
    const [page, queues] = await Promise.all([pages.text('/status'), pages.get('/queues/api/queues')]);
    const words = wordsOf(page);
    expect(words).toContain('Installation not available');
    expect(words.match(/Not available: Postgres did not answer within 2 s/g)).toHaveLength(5);
    expect(words.match(/Not available: Redis did not answer within 2 s/g)).toHaveLength(1);
    expect([queues.status, await queues.text()]).toEqual([
      500,
      expect.stringContaining('Redis does not answer'),
    ]);
  });
});

describe('/queues', () => {
  it('shows jobs by id and size, and nothing of what is in them', async () => {
    const prefix = uniquePrefix();
    const ids = await fillQueues(engines.redisUrl, prefix);
    await serve({ role: 'receiver', redisUrl: engines.redisUrl, prefix });
    const replies: string[] = [];
    const ask = async (path: string) => {
      const text = await eventually(async () => {
        const reply = await pages.get(`/queues/api/${path}`);
        expect(reply.status).toBe(200);
        return reply.text();
      });
      replies.push(text);
      return JSON.parse(text);
    };
    const shownStates = [
      ['webhook-intake', 'waiting'],
      ['webhook-events', 'waiting'],
      ['lean-sync', 'prioritized'],
    ] as const;
    for (const [name, state] of shownStates) {
      const { queues } = await ask(`queues?activeQueue=${name}&status=${state}&page=1&jobsPerPage=10`);
      expect(queues).toHaveLength(3);
      const shown = queues.find((queue: { name: string }) => queue.name === name);
      expect(shown).toMatchObject({ readOnlyMode: true, allowRetries: false });
      expect(shown.counts[state]).toBe(shown.jobs.length);
      expect(shown.jobs.map((job: { id: string }) => job.id)).toEqual(expect.arrayContaining([ids[name]]));
      expect(shown.jobs[0].data.bytes).toBeGreaterThan(20);
    }
    const one = await ask(`queues/webhook-intake/${ids['webhook-intake']}`);
    expect(one).toMatchObject({
      status: 'waiting',
      job: {
        id: ids['webhook-intake'],
        name: 'batch',
        data: { deliveries: 1 },
        stacktrace: [],
        returnValue: null,
      },
    });
    replies.push(await pages.text(`/queues/api/queues/webhook-intake/${ids['webhook-intake']}/logs`));
    replies.push(
      await pages.text(
        `/queues/api/queues/webhook-intake/${ids['webhook-intake']}/flow?depth=2&maxChildren=5`,
      ),
    );
    for (const word of [...Object.values(hiddenWords), 'event-key-of-somebody'])
      expect(replies.join('\n')).not.toContain(word);
  });
});
