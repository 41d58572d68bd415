// Puts a receiver together from its configuration, and takes it apart in the reverse order.
// Never waits for Redis to start, and never ends before what was acknowledged is closed away safely.
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../core/app-error.ts';
import { endsWithin } from '../core/deadline.ts';
import { listenFailure, reachableAuthority } from '../core/listen-address.ts';
import { createOpened, type Opened } from '../core/opened.ts';
import type { ReceiverConfig } from '../config/load-config.ts';
import { describePassingPlace, judgePlace } from '../journal/journal-place.ts';
import { openJournal, type Journal } from '../journal/journal.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Readiness } from '../observability/readiness.ts';
import { openIntakeQueue } from '../queue/intake-queue.ts';
import { readKeyRing } from '../sealing/key-ring.ts';
import { callerRules } from './caller-rules.ts';
import { createKeeper } from './durability.ts';
import { createForwardReport } from './forward-report.ts';
import { startForwarder, type Forwarder } from './forwarder.ts';
import { createFillWindow, journalFullShare, type FillWindow } from './journal-fill.ts';
import { openLiveMaterial, type LiveMaterial } from './live-material.ts';
import { createReceiverServer, type ReceiverServer } from './server.ts';
import { reportCallerTrust } from './trust-report.ts';

export interface StartReceiverOptions {
  readonly config: ReceiverConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  /** How often files are looked at for changes; 15 s when left out. */
  readonly reloadIntervalMs?: number;
}

export interface RunningReceiver {
  /** What Lean would call, as reached from this machine. */
  readonly url: string;
  readonly port: number;
  /** Unready from now on, and serving. */
  beginShutdown(): void;
  /**
   * Unready, serves on for `delayMs`, stops accepting, finishes what is in flight, empties the journal if it can and
   * closes; all of it but the delay within `timeoutMs`. Both default to the configuration. Repeating it changes nothing.
   */
  close(options?: { delayMs?: number; timeoutMs?: number }): Promise<void>;
}

const measureIntervalMs = 1_000;
/** Kept back from the shutdown's time for closing the forwarder, the queue and the journal; at most a third of it. */
const closingReserveMs = 3_000;
/** Of what is left then. The journal gets the rest, and this much in any case: enough for a disk that is well. */
const forwardingCloseShare = 2 / 3;
const leastJournalCloseMs = 500;
/** How often a shutdown that empties the journal looks whether the way to Redis is still open. */
const flushSliceMs = 250;

/**
 * Throws TLS_MATERIAL_INVALID, JOURNAL_NOT_PERSISTENT, JOURNAL_LOCKED, JOURNAL_CORRUPT, JOURNAL_UNWRITABLE,
 * PAYLOAD_KEY_INVALID or PORT_IN_USE.
 */
export async function startReceiver(options: StartReceiverOptions): Promise<RunningReceiver> {
  const opened = createOpened();
  const closingTime = createClosingTime();
  try {
    const parts = await openParts({ ...options, opened, closingTime });
    return runParts({ ...options, parts, opened, closingTime });
  } catch (error) {
    await opened.closeAll();
    throw error;
  }
}

interface Parts {
  readonly journal: Journal;
  readonly forwarder: Forwarder;
  readonly server: ReceiverServer;
  readonly port: number;
}

interface Ending {
  readonly opened: Opened;
  readonly closingTime: ClosingTime;
}

async function openParts(options: StartReceiverOptions & Ending): Promise<Parts> {
  const { config, logger, metrics, reloadIntervalMs: intervalMs, opened, closingTime } = options;
  checkJournalPlace(options);
  reportCallerTrust(config, logger);
  const material = await openLiveMaterial({ config, logger, metrics, ...(intervalMs && { intervalMs }) });
  opened.add(() => material.close());
  const journal = await openJournal({
    dir: config.JOURNAL_DIR,
    limitBytes: config.JOURNAL_LIMIT_BYTES,
    keyRing: readKeyRing({ keysBase64: config.PAYLOAD_KEYS, sealing: config.PAYLOAD_SEALING }),
  });
  opened.add(() => journal.close({ timeoutMs: Math.max(leastJournalCloseMs, closingTime.leftMs()) }));
  const queue = openIntakeQueue({
    url: config.REDIS_URL,
    prefix: config.QUEUE_PREFIX,
    deadlineMs: config.REDIS_DEADLINE_MS,
  });
  const forwarder = startForwarder({ journal, queue, onEvent: createForwardReport({ logger, metrics }) });
  // Neither may hold the end up for the sake of a Redis that is away: what they had in hand is in the journal.
  opened.add(() =>
    endsWithin(Promise.all([forwarder.close(), queue.close()]), forwardingCloseShare * closingTime.leftMs()),
  );
  const server = await createServer({ options, material, journal, forwarder });
  const { HOST: host, PORT: wanted } = config;
  const port = await server.listen({ host, port: wanted }).catch((error: unknown) => {
    throw listenFailure(error, { variable: 'PORT', port: wanted });
  });
  material.watch((next) => server.replaceMaterial(next));
  const measured = { journal, forwarder, material, metrics, fill: createFillWindow() };
  const timer = setInterval(() => measure(measured), measureIntervalMs).unref();
  opened.add(() => clearInterval(timer));
  measure(measured);
  return { journal, forwarder, server, port };
}

interface ServerParts {
  readonly options: StartReceiverOptions;
  readonly material: LiveMaterial;
  readonly journal: Journal;
  readonly forwarder: Forwarder;
}

function checkJournalPlace({ config, logger }: StartReceiverOptions): void {
  const passing = describePassingPlace(config.JOURNAL_DIR);
  if (passing === null) return;
  const verdict = judgePlace({
    passing,
    acksWhenStored: config.ACK_AFTER === 'stored',
    isVouchedFor: config.JOURNAL_PERSISTENT === 'yes',
    isProduction: config.LEAN_ENVIRONMENT === 'production',
  });
  if (verdict === 'refused') throw new AppError('JOURNAL_NOT_PERSISTENT', passing);
  if (verdict === 'doubtful') logger.write('config_warning', { variable: 'JOURNAL_DIR', problem: passing });
}

function createServer({ options, material, journal, forwarder }: ServerParts): Promise<ReceiverServer> {
  const { config, logger, metrics } = options;
  const waitsForStore = config.ACK_AFTER === 'stored';
  return createReceiverServer({
    webhookPath: config.WEBHOOK_PATH,
    ...callerRules(config),
    material: material.loaded,
    secrets: () => material.secrets(),
    bodyLimitBytes: config.BODY_LIMIT_BYTES,
    inFlightLimit: config.IN_FLIGHT_LIMIT,
    journalFull() {
      const { bytes, limitBytes } = journal.stats();
      return bytes >= journalFullShare * limitBytes;
    },
    keep: createKeeper({
      journal,
      journalDeadlineMs: config.JOURNAL_DEADLINE_MS,
      ...(waitsForStore && { stored: { signal: forwarder, ackDeadlineMs: config.ACK_DEADLINE_MS } }),
    }),
    logger,
    metrics,
  });
}

function runParts(running: StartReceiverOptions & Ending & { parts: Parts }): RunningReceiver {
  const { config, logger, readiness, parts, opened, closingTime } = running;
  const { journal, forwarder, server, port } = parts;
  let ending = false;
  let closing: Promise<void> | null = null;
  readiness.register('journal', () => {
    const { writable, failure } = journal.stats();
    return writable ? { ok: true } : { ok: false, code: failure ?? 'NOT_DURABLE' };
  });
  readiness.register('serving', () => (ending ? { ok: false, code: 'SHUTTING_DOWN' } : { ok: true }));

  async function close(delayMs: number, timeoutMs: number): Promise<void> {
    const startedMs = performance.now();
    ending = true;
    logger.write('shutdown', { phase: 'unready' });
    await delay(delayMs);
    closingTime.start(timeoutMs);
    const reserveMs = Math.min(closingReserveMs, timeoutMs / 3);
    const leftMs = () => Math.max(0, closingTime.leftMs() - reserveMs);
    logger.write('shutdown', { phase: 'finishing' });
    await server.close({ timeoutMs: leftMs() });
    // Without a way to Redis waiting would empty nothing.
    let rowsLeft = await forwarder.flush(0);
    while (rowsLeft > 0 && leftMs() > 0 && forwarder.state().ok)
      rowsLeft = await forwarder.flush(Math.min(flushSliceMs, leftMs()));
    await opened.closeAll();
    const durationMs = Math.round(performance.now() - startedMs);
    logger.write('shutdown', { phase: 'closed', rows_left: rowsLeft, duration_ms: durationMs });
  }

  const scheme = config.TLS_TERMINATION === 'receiver' ? 'https' : 'http';
  return {
    url: `${scheme}://${reachableAuthority({ host: config.HOST, port })}${config.WEBHOOK_PATH}`,
    port,
    beginShutdown() {
      ending = true;
    },
    close({ delayMs = config.SHUTDOWN_DELAY_MS, timeoutMs = config.SHUTDOWN_TIMEOUT_MS } = {}) {
      closing ??= close(delayMs, timeoutMs);
      return closing;
    },
  };
}

interface Measured extends Omit<ServerParts, 'options'> {
  readonly metrics: Metrics;
  readonly fill: FillWindow;
}

function measure({ journal, forwarder, material, metrics, fill }: Measured): void {
  const { rows, bytes, limitBytes, oldestReceivedAt, writable } = journal.stats();
  metrics.journalRows.set(rows);
  metrics.journalBytes.set(bytes);
  metrics.journalLimitBytes.set(limitBytes);
  fill.add({ atMs: performance.now(), bytes });
  metrics.journalSecondsUntilFull.set(fill.secondsUntilFull(limitBytes));
  metrics.journalWritable.set(writable ? 1 : 0);
  const ageMs = oldestReceivedAt === null ? 0 : Date.now() - Date.parse(oldestReceivedAt);
  metrics.journalOldestAgeSeconds.set(Math.max(0, ageMs) / 1000);
  metrics.batchesOutstanding.set(forwarder.outstanding());
  metrics.forwarderRefused.set(forwarder.state().code === 'WRONG_INSTALLATION' ? 1 : 0);
  material.measure();
}

interface ClosingTime {
  start(timeoutMs: number): void;
  leftMs(): number;
}

/** One budget for all that is closed one after the other; the reserve alone when a start failed half way. */
function createClosingTime(): ClosingTime {
  let endsMs: number | null = null;
  return {
    start(timeoutMs) {
      endsMs = performance.now() + timeoutMs;
    },
    leftMs: () => (endsMs === null ? closingReserveMs : Math.max(0, endsMs - performance.now())),
  };
}
