// A Lean for benchmarks as a process of its own: the simulator's replies after a latency, and lists of transactions of
// any length that cost next to nothing to make. Checks nobody's credentials but the certificate.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { SimulatedAccount, SimulatedEntity } from '../simulator/customers.ts';
import { answerCall } from '../simulator/lean-routes.ts';
import { createWorld } from '../simulator/lean-world.ts';
import { createRandom } from '../simulator/random.ts';
import { entitiesByDateReply, transactionsReply } from '../simulator/reply-bodies.ts';
import { generateTransactions } from '../simulator/transactions.ts';
import { pkiPaths } from '../support/pki.ts';
import { leanCustomers, leanOptionsSchema } from './worker-lean.ts';

const options = leanOptionsSchema
  .extend({ certificates: z.string() })
  .parse(JSON.parse(process.argv[2] ?? '{}'));
const { latencyMs, listLength } = options;
const world = createWorld({ customers: leanCustomers(options) });
const entities = new Map(world.customers.entities.map((entity) => [entity.entityId, entity]));

/** Of the texts that pages are made from: each is used again and again with other ids. */
const templatesPerAccount = 8;
const pageSize = 100;
const placeholder = '00000000-page';

const files = pkiPaths(options.certificates);
const server = createServer(
  {
    cert: readFileSync(files.leanServerCert),
    key: readFileSync(files.leanServerKey),
    ca: readFileSync(files.leanChain),
    requestCert: true,
    rejectUnauthorized: true,
  },
  (request, response) => void setTimeout(() => answer(request, response), latencyMs),
);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ msg: 'listening', url: `https://127.0.0.1:${port}` })}\n`);
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'https://lean.invalid');
  const { httpStatus, body } =
    nothingMissed(url) ??
    longList(url) ??
    answerCall(world, {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      body: '',
      hasBearer: false,
    });
  response.writeHead(httpStatus, {
    'content-type': 'application/json',
    'lean-correlation-id': world.newId(),
    date: new Date().toUTCString(),
  });
  response.end(body);
}

/** To a sweep: what a benchmark measures begins with its deliveries, and not before. */
function nothingMissed(url: URL): { httpStatus: number; body: string } | null {
  if (!/^\/customers\/v1\/entities\/?$/.test(url.pathname)) return null;
  return { httpStatus: 200, body: entitiesByDateReply([], { page: 0, size: pageSize }) };
}

/** Null: not a list of transactions, or one of the simulator's own length. */
function longList(url: URL): { httpStatus: number; body: string } | null {
  if (listLength === null) return null;
  const accountId = /^\/data\/v2\/accounts\/([^/]+)\/transactions\/?$/.exec(url.pathname)?.[1];
  const entity = entities.get(url.searchParams.get('entity_id') ?? '');
  const account = entity?.accounts.find((one) => one.accountId === accountId);
  if (entity === undefined || account === undefined) return null;
  const page = Number(url.searchParams.get('page') ?? 0);
  return { httpStatus: 200, body: pageText({ entity, account, page, length: listLength }) };
}

interface LongPage {
  readonly entity: SimulatedEntity;
  readonly account: SimulatedAccount;
  readonly page: number;
  readonly length: number;
}

const templates = new Map<string, string>();

function pageText({ entity, account, page, length }: LongPage): string {
  const slot = page % templatesPerAccount;
  const key = `${account.accountId}/${slot}`;
  const template = templates.get(key) ?? makeTemplate(entity, account, slot);
  templates.set(key, template);
  const pages = Math.ceil(length / pageSize);
  const about = `"page":{"number":${page},"size":${pageSize},"total_elements":${length},"total_pages":${pages},`;
  return template
    .replace('"page":{', about)
    .replaceAll(placeholder, String(page).padStart(placeholder.length, '0'));
}

function makeTemplate(entity: SimulatedEntity, account: SimulatedAccount, slot: number): string {
  const random = createRandom(`${account.accountId}/${slot}`);
  const { region, refreshedAt } = entity;
  const all = generateTransactions({
    random,
    region,
    currency: account.currency,
    count: pageSize,
    at: refreshedAt,
  });
  const transactions = all.map((one, place) =>
    Object.assign(one, { transactionId: `${placeholder}-${String(place).padStart(3, '0')}` }),
  );
  const facts = {
    resultsId: world.newId(),
    timestamp: world.timestamp(),
    refreshedAt,
    page: 0,
    size: pageSize,
  };
  const text = transactionsReply({ entity, account }, { ...facts, transactions });
  // What Lean says of the page is written anew each time.
  return text.replace(/"page":\{"number":0,"size":\d+,"total_elements":\d+,"total_pages":\d+,/, '"page":{');
}
