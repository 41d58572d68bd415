// `npm run simulate`: plays Lean beside a developer's running service. Alone it serves Lean's API until Ctrl-C; with a
// story it sends that story's webhooks and tells what the service made of them.
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AcceptanceRefused, runAcceptance } from './acceptance.ts';
import { acceptanceHelp, printedEnvironment, readAcceptanceWish } from './acceptance-wish.ts';
import { findEntity, type SimulatedCustomers, type SimulatedEntity } from './customers.ts';
import { developmentIdentities, developmentSetup, type DevelopmentSetup } from './dev-certificates.ts';
import {
  changedAt,
  customersOf,
  linkBank,
  nextRefreshId,
  readState,
  refreshAt,
  restrictNewest,
  writeState,
  type DevelopmentState,
} from './development-state.ts';
import { startLeanServer, type LeanServer } from './lean-server.ts';
import {
  playStory,
  storyNames,
  storySummaries,
  type StoryDelivery,
  type StoryName,
  type StoryReport,
} from './stories.ts';

const dataDir = path.join('data', 'dev');
const quietMs = 4000;
const quietLimitMs = 60_000;
const noCallsLimitMs = 12_000;

const help = `Plays Lean's part for a service that runs on this machine (npm start).

  npm run simulate                      serve Lean's API until Ctrl-C
  npm run simulate -- <story> [--target URL]
${storyNames.map((name) => `    ${name.padEnd(10)} ${storySummaries[name]}`).join('\n')}

  --target URL   where the webhooks go; default: the development service's own
  --help         this text

  npm run simulate -- acceptance --target URL --database URL
${acceptanceHelp}

Certificates, the webhook secret and the app token are in ${path.join(dataDir, 'setup')}, made at the first start and shared with
npm start. A story serves Lean's API itself while it runs, unless a simulator is serving already.
Exit code 0 when everything ended as the story says, else 1; acceptance: 2 when it could not begin.
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  if (args[0] === 'acceptance' && !args.includes('--help')) return accept(args.slice(1));
  const options = { help: { type: 'boolean' }, target: { type: 'string' } } as const;
  let parsed;
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help) {
    console.log(help);
    return 0;
  }
  const [asked, ...rest] = positionals;
  if (rest.length > 0) return refuse(`one story at a time, not also ${rest.join(' ')}`);
  const setup = await developmentSetup(dataDir);
  if (asked === undefined) return serveUntilStopped(setup, values.target ?? setup.webhookUrl);
  const story = storyNames.find((name) => name === asked);
  if (!story) return refuse(`there is no story "${asked}"`);
  return tellStory(story, { setup, target: values.target ?? setup.webhookUrl });
}

function refuse(problem: string): number {
  console.error(`${problem}\n\n${help}`);
  return 1;
}

/** Exit code 0, 1 or 2. */
async function accept(args: string[]): Promise<number> {
  const setup = await developmentSetup(dataDir);
  try {
    const wish = readAcceptanceWish(args, setup);
    if (wish !== null)
      return await runAcceptance({ ...wish, setup, dataDir, say: (line) => console.log(line) });
    console.log(printedEnvironment(setup));
    return 0;
  } catch (error) {
    if (!(error instanceof AcceptanceRefused)) throw error;
    console.error(error.message);
    return 2;
  }
}

async function serveUntilStopped(setup: DevelopmentSetup, target: string): Promise<number> {
  const server = await serveLean(setup, target);
  if (!server) {
    console.error(`Port ${setup.simulatorPort} is taken: another simulator seems to be running.`);
    return 1;
  }
  const { entities } = await readState(dataDir);
  console.log(`Lean's API is simulated at ${server.url} for ${entities.length} linked customers.`);
  console.log(`It wants the client certificate ${setup.paths.applicationCert}`);
  console.log(`and the app token in ${path.join(setup.dir, 'setup.json')}.`);
  console.log('In another terminal: npm run simulate -- link-bank. Stop with Ctrl-C.\n');
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await server.close();
  return 0;
}

/** Null where the port is taken. Customers are read again whenever a story has changed them. */
async function serveLean(setup: DevelopmentSetup, target: string): Promise<LeanServer | null> {
  const identities = await developmentIdentities(setup);
  let readAt = await changedAt(dataDir);
  let reading = readState(dataDir).then(customersOf);
  // Calls that come together wait for the same reading, so that none of them is answered from older data.
  const current = async (): Promise<SimulatedCustomers> => {
    const newest = await changedAt(dataDir);
    if (newest !== readAt) {
      readAt = newest;
      reading = readState(dataDir).then(customersOf);
    }
    return reading;
  };
  try {
    return await startLeanServer({
      pki: identities,
      customers: await reading,
      appToken: setup.appToken,
      requireClientCertificate: true,
      port: setup.simulatorPort,
      beforeCall: current,
      onCall: (call) =>
        console.log(
          `  call back  ${call.method} ${call.path}${call.query} → ${call.httpStatus ?? 'no answer'}`,
        ),
      onRefreshStarted: ({ entityId, refreshId }) => {
        finishRefresh({ entityId, refreshId, setup, target }).catch((error: unknown) => console.error(error));
      },
    });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return null;
    throw error;
  }
}

/** The service asked for a refresh: the bank's data change, and Lean tells of it. */
async function finishRefresh(asked: {
  entityId: string;
  refreshId: string;
  setup: DevelopmentSetup;
  target: string;
}): Promise<void> {
  const { entityId, refreshId, setup, target } = asked;
  const state = await readState(dataDir);
  const position = customersOf(state).entities.findIndex((entity) => entity.entityId === entityId);
  const next = refreshAt(state, position, { refreshId, at: new Date().toISOString() });
  await writeState(dataDir, next);
  const entity = findEntity(customersOf(next), entityId);
  if (entity) await play('refresh', { entity, setup, target });
}

async function tellStory(
  story: StoryName,
  { setup, target }: { setup: DevelopmentSetup; target: string },
): Promise<number> {
  const before = await readState(dataDir);
  const state = changeFor(story, before);
  const entity = customersOf(state).entities.at(-1);
  if (!entity) return refuse('no customer has linked a bank yet: begin with the story link-bank');
  await writeState(dataDir, state);
  const server = await serveLean(setup, target);
  console.log(`${story}: ${storySummaries[story]}\n  entity     ${entity.entityId}\n  target     ${target}`);
  try {
    const report = await play(story, { entity, setup, target });
    // What nobody was told of did not happen: the next story starts from where this one did.
    if (!report.ok) await writeState(dataDir, before);
    if (server && report.ok && story !== 'forge') await untilQuiet(server);
    return conclude(report, { entity, server });
  } finally {
    await server?.close();
  }
}

/** What the story changes at the bank before its webhooks tell of it. */
function changeFor(story: StoryName, state: DevelopmentState): DevelopmentState {
  const at = new Date().toISOString();
  switch (story) {
    case 'link-bank':
      return linkBank(state, at);
    case 'refresh':
      return refreshAt(state, state.entities.length - 1, { at, refreshId: nextRefreshId(state) });
    case 'revoke':
      return restrictNewest(state, ['identity', 'accounts']);
    case 'forge':
      return state.entities.length > 0 ? state : linkBank(state, at);
    case 'duplicate':
      return state;
  }
}

async function play(
  story: StoryName,
  { entity, setup, target }: { entity: SimulatedEntity; setup: DevelopmentSetup; target: string },
): Promise<StoryReport> {
  const identities = await developmentIdentities(setup);
  const { secret } = setup;
  return playStory(story, {
    url: target,
    ca: identities.serverCaPem,
    identities,
    secret,
    entity,
    onDelivery,
  });
}

function onDelivery({ title, record, asExpected }: StoryDelivery): void {
  const last = record.attempts.at(-1);
  const answer = last?.status === null ? (last.error ?? 'no answer') : `${last?.status} in ${last?.ms} ms`;
  console.log(`  ${asExpected ? 'webhook  ' : 'WEBHOOK !'}  ${title} → ${answer}`);
}

/** Serves until the service has made no call for some seconds, or until a bound on the whole. */
async function untilQuiet(server: LeanServer): Promise<void> {
  const startedAt = Date.now();
  for (;;) {
    await new Promise((resolve) => {
      setTimeout(resolve, 250);
    });
    const last = server.calls.at(-1);
    const waitedMs = Date.now() - startedAt;
    if (!last && waitedMs > noCallsLimitMs) return;
    if (last && Date.now() - Date.parse(last.at) > quietMs) return;
    if (waitedMs > quietLimitMs) return;
  }
}

function conclude(
  report: StoryReport,
  { entity, server }: { entity: SimulatedEntity; server: LeanServer | null },
): number {
  const right = report.deliveries.filter(({ asExpected }) => asExpected).length;
  const wanted = report.story === 'forge' ? 'refused' : 'acknowledged';
  console.log(`\n${right} of ${report.deliveries.length} ${wanted}.`);
  if (!report.ok && report.deliveries.some(({ record }) => isAbsent(record.attempts.at(-1)?.error ?? null))) {
    console.log('Nothing answers there. Start the service first: npm start');
  }
  if (report.ok && report.story !== 'forge') {
    const transactions = entity.accounts.reduce((sum, account) => sum + account.transactions.length, 0);
    const calls = server ? `${server.calls.length} calls back` : 'calls back: see the running simulator';
    console.log(
      `${calls}. At the bank: ${entity.accounts.length} accounts, ${transactions} transactions. Look at the rows:`,
    );
    const where = `where entity_id = '${entity.entityId}'`;
    console.log(`  npm run ops -- sql "select state, permissions, synced_at from lean.entities ${where}"`);
    console.log(`  npm run ops -- sql "select count(*) from lean.transactions ${where}"`);
  }
  return report.ok ? 0 : 1;
}

function isAbsent(error: string | null): boolean {
  return error !== null && error.includes('ECONNREFUSED');
}
