// A receiver as a process of its own in the middle of a breakable world: Lean in front of it, a worker of the test behind
// it that notes what it stores and in which order. Says nothing about who was right; stops by pid what it starts.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { parseKeyRing } from '../../src/sealing/key-ring.ts';
import { open } from '../../src/sealing/seal.ts';
import { startJobRunner } from '../../src/queue/job-runner.ts';
import { createWebhookSender, type DeliveryRecord, type WebhookSender } from '../simulator/webhook-sender.ts';
import { freePort } from './engines-processes.ts';
import { uniquePrefix } from './engines.ts';
import { entityBody } from './event-bodies.ts';
import type { Pki } from './pki.ts';
import { nodeCommand, root, startProcess, type RoleProcess } from './processes.ts';
import { testSecret } from './receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from './receiver-settings.ts';

type Settings = Readonly<Record<string, string>>;

export interface ServingReceiver {
  readonly process: RoleProcess;
  readonly opsUrl: string;
  /** Deliveries in its journal, by its own metric. */
  journalRows(): Promise<number>;
  /** Code and body of `/readyz`. */
  readiness(): Promise<{ status: number; text: string }>;
}

export interface ReceiverStage {
  readonly settings: ReceiverSettings;
  readonly prefix: string;
  /** Everything that was sent, with its answers. */
  readonly sent: readonly DeliveryRecord[];
  /** The address of its webhook, once it has listened. */
  url(): string;
  /** Resolves when it listens: the same journal and port every time. */
  start(changes?: Settings): Promise<ServingReceiver>;
  /** The same without waiting; for one that is not to come up. */
  spawn(changes?: Settings): RoleProcess;
  /** So many deliveries of new events, `lanes` at a time; each tried once. Gives what became of them. */
  deliver(count: number, lanes?: number): Promise<DeliveryRecord[]>;
  /** A worker on this Redis; all of them note into the same `stored`. */
  storeFrom(redisUrl: string): { close(): Promise<void> };
  /** Event ids and sequences in the order in which they were first stored. */
  readonly stored: readonly StoredDelivery[];
  /** Ids that were answered 200 and are not stored. */
  missing(): string[];
  close(): Promise<void>;
}

export interface StoredDelivery {
  readonly eventId: string;
  readonly sequence: number;
  readonly jobId: string;
}

const bodySchema = z.looseObject({ event_id: z.string() });
const addresses = z.looseObject({ url: z.url(), opsUrl: z.url() });
/** As `receiverSettings` gives it. */
const keyRing = parseKeyRing([Buffer.alloc(32, 7).toString('base64')]);
const mostLanes = 16;
/** An acknowledgement that waited for Redis would take this long at the least. */
export const redisDeadlineMs = 2_000;

/** `pki`: other certificates than those of the process. */
export async function openReceiverStage(changes: Settings, pki?: Pki): Promise<ReceiverStage> {
  const prefix = changes['QUEUE_PREFIX'] ?? uniquePrefix();
  const defaults = { REDIS_DEADLINE_MS: String(redisDeadlineMs), QUEUE_PREFIX: prefix };
  const settings = await receiverSettings({ ...defaults, ...changes }, pki);
  const processes: RoleProcess[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  const notes = createNotes();
  const sent: DeliveryRecord[] = [];
  const port = String(await freePort());
  let address: URL | null = null;
  let sender: WebhookSender | null = null;

  function spawn(more: Settings = {}): RoleProcess {
    const env = { ...settings.env, PORT: port, ...more };
    const process = startProcess({ command: nodeCommand('src/main-receiver.ts'), cwd: root, env });
    processes.push(process);
    return process;
  }

  function url(): string {
    if (address === null) throw new Error('no receiver has listened yet');
    return address.href;
  }

  function senderOf(): WebhookSender {
    const { lean, serverCaPem } = settings.pki;
    sender ??= createWebhookSender({
      url: url(),
      identity: lean.webhookClient,
      ca: serverCaPem,
      secret: testSecret,
      connections: mostLanes,
      retryMinutes: [],
    });
    return sender;
  }

  return {
    settings,
    prefix,
    sent,
    stored: notes.stored,
    url,
    spawn,
    async start(more) {
      const process = spawn(more);
      const listening = addresses.parse(await process.line('listening'));
      address = new URL(listening.url);
      return servingReceiver(process, listening.opsUrl);
    },
    async deliver(count, lanes = 8) {
      const records = await senderOf().sendAll(newEvents(count), { concurrency: lanes });
      sent.push(...records);
      return records;
    },
    storeFrom(redisUrl) {
      const worker = startStoring({ redisUrl, prefix, notes });
      closers.push(() => worker.close());
      return worker;
    },
    missing() {
      const stored = new Set(notes.stored.map(({ eventId }) => eventId));
      return sent.filter(({ acked, eventId }) => acked && !stored.has(eventId)).map(({ eventId }) => eventId);
    },
    async close() {
      await sender?.close();
      for (const process of processes) process.kill('SIGKILL');
      await Promise.all([...processes.map(({ exited }) => exited), ...closers.map((close) => close())]);
      await settings.remove();
    },
  };
}

/** New events, each with an id and a body of its own. */
export function newEvents(count: number): { eventId: string; body: Uint8Array }[] {
  return Array.from({ length: count }, () => {
    const eventId = randomUUID();
    return { eventId, body: entityBody({ eventId }) };
  });
}

export function servingReceiver(process: RoleProcess, opsUrl: string): ServingReceiver {
  return {
    process,
    opsUrl,
    async journalRows() {
      const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
      return Number(/^lean_journal_rows (\d+)$/m.exec(metrics)?.[1] ?? 'NaN');
    },
    async readiness() {
      const reply = await fetch(`${opsUrl}/readyz`);
      return { status: reply.status, text: await reply.text() };
    },
  };
}

interface Notes {
  readonly stored: StoredDelivery[];
  note(delivery: StoredDelivery): void;
}

/** A batch that comes again under its id is the same batch: it is noted once, as Postgres would have it once. */
function createNotes(): Notes {
  const stored: StoredDelivery[] = [];
  const known = new Set<string>();
  return {
    stored,
    note(delivery) {
      const key = `${delivery.jobId}/${delivery.sequence}`;
      if (known.has(key)) return;
      known.add(key);
      stored.push(delivery);
    },
  };
}

function startStoring({ redisUrl, prefix, notes }: { redisUrl: string; prefix: string; notes: Notes }) {
  const runner = startJobRunner({
    queueName: 'webhook-intake',
    url: redisUrl,
    prefix,
    concurrency: 1,
    probeEveryMs: 200,
    async handle({ id: jobId, data }) {
      if ('deliveries' in data) {
        const { journalId, deliveries } = data;
        for (const { sequence, sealed } of deliveries) {
          const record = { purpose: 'delivery', recordId: `${journalId}:${sequence}` } as const;
          const body = Buffer.from(open(keyRing, record, Buffer.from(sealed, 'base64'))).toString();
          notes.note({ jobId, sequence, eventId: bodySchema.parse(JSON.parse(body)).event_id });
        }
      }
      return { kind: 'done', replaceData: { stored: true } };
    },
  });
  return { close: () => runner.close({ handBack: true, deadlineMs: 1_000 }) };
}

/** Statuses and how often, for a comparison that says what came instead. Null is no answer at all. */
export function answersOf(records: readonly DeliveryRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { attempts } of records) {
    const status = String(attempts.at(-1)?.status ?? null);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

/** Milliseconds of the slowest answer. */
export function slowestMs(records: readonly DeliveryRecord[]): number {
  return Math.max(...records.flatMap(({ attempts }) => attempts.map(({ ms }) => ms)));
}
