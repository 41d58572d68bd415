// Bytes on the wire as no HTTP client would send them, and what came back, read strictly. For tests of hostile senders:
// every answer is looked at, so a second one, half a one or one that repeats what was sent fails whatever test meets it.
import { once } from 'node:events';
import type net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, expect } from 'vitest';
import { eventually, expectInTime } from './eventually.ts';
import { connectRaw, send, sign, type Sending } from './lean-sender.ts';
import { startTestServer, testSecret, type TestServer } from './receiver-server.ts';

/** Who calls; without an identity over plain HTTP, as behind a proxy that ended TLS. */
export type Caller = Pick<Sending, 'url' | 'serverCaPem' | 'identity'>;

/** A string stands for the bytes of its code points, so that "\xff" is one byte. */
export type Bytes = Uint8Array | string;

type ServerOptions = Partial<Parameters<typeof startTestServer>[0]>;

/**
 * Starts servers that end with their file, so that tests may run beside each other. Plain HTTP and no proof demanded when left out: then nothing but the reading of
 * the bytes itself stands between them and the journal.
 */
export function hostileServers(
  defaults: ServerOptions = {},
): (options?: ServerOptions) => Promise<TestServer> {
  const open: TestServer[] = [];
  afterAll(async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
  });
  return async (options) => {
    const server = await startTestServer({ mode: 'none', pki: null, ...defaults, ...options });
    open.push(server);
    return server;
  };
}

interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

interface Conversation {
  readonly answers: readonly Answer[];
  readonly statuses: readonly number[];
  /** `100 Continue` and the like, which announce an answer and are none. */
  readonly announcements: readonly number[];
  /** `nobody`: the connection was still open at the deadline. */
  readonly closedBy: 'receiver' | 'nobody';
  /** How long it was open. */
  readonly elapsedMs: number;
  /** What could be handed to the connection before the receiver had enough. */
  readonly sentBytes: number;
}

interface ConverseOptions {
  /** Brings an authentic delivery before all else; its answer is waited for, and no part of the conversation. */
  readonly isProven?: boolean;
  /** In so many writes, and no further one once the receiver has answered or closed. */
  readonly writes: Iterable<Bytes>;
  /** Then so many more, one every so often, for as long as the connection is open. */
  readonly trickles?: { readonly bytes: string; readonly everyMs: number } | undefined;
  /** Goes on writing although the receiver has answered. */
  readonly writesOn?: boolean | undefined;
  /** Says after the last write that nothing more comes, as `shutdown` does. */
  readonly halfCloses?: boolean;
  readonly deadlineMs?: number;
}

/** Writes and then reads until the receiver closes, or to the deadline (10 seconds when left out). */
export async function converse(caller: Caller, options: ConverseOptions): Promise<Conversation> {
  const { writes, trickles, writesOn = false, halfCloses = false, deadlineMs = 10_000 } = options;
  const { isProven = false } = options;
  const startedMs = performance.now();
  const { socket, received } = await connectRaw(caller);
  if (isProven) await prove(socket);
  const provenBytes = socket.bytesRead;
  let closedBy: Conversation['closedBy'] = 'receiver';
  const deadline = setTimeout(() => {
    closedBy = 'nobody';
    socket.destroy();
  }, deadlineMs);
  let sentBytes = 0;
  const enough = (): boolean => socket.destroyed || (socket.bytesRead > provenBytes && !writesOn);
  for (const bytes of writes) {
    if (enough()) break;
    await written(socket, bytes);
    sentBytes += bytes.length;
    // Two turns: the receiver shares this process, and its answer has to be read before the next write meets a reset.
    await nextTurn();
    await nextTurn();
  }
  if (halfCloses && !socket.destroyed) socket.end();
  const trickle = trickles && setInterval(() => socket.write(trickles.bytes), trickles.everyMs);
  const text = await received;
  clearInterval(trickle);
  clearTimeout(deadline);
  const all = readAnswers(text).slice(isProven ? 1 : 0);
  const answers = all.filter(({ status }) => status >= 200);
  return {
    answers,
    statuses: answers.map(({ status }) => status),
    announcements: all.filter(({ status }) => status < 200).map(({ status }) => status),
    closedBy,
    elapsedMs: performance.now() - startedMs,
    sentBytes,
  };
}

/** From here on the receiver knows the connection as one over which an authentic delivery came. */
export async function prove(socket: net.Socket): Promise<void> {
  const answered = once(socket, 'data');
  socket.write(wholeDelivery(witness));
  const [bytes] = await answered;
  expect(String(bytes)).toMatch(/^HTTP\/1\.1 200 /);
}

function written(socket: Awaited<ReturnType<typeof connectRaw>>['socket'], bytes: Bytes): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      socket.off('close', settle);
      resolve();
    };
    socket.once('close', settle);
    // An error here is the receiver's close, which the conversation reports.
    socket.write(Buffer.from(asBytes(bytes)), settle);
  });
}

function asBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
}

const headPattern = /^HTTP\/1\.1 (\d{3}) [ -~]*\r\n((?:[A-Za-z-]+: [ -~]*\r\n)*)\r\n/;
/** All an answer of ours ever says; nothing of a request has a place in it. */
const bodyPattern = /^\{"(?:code|outcome)":"[A-Za-z_]+"\}$/;

/** The answers in their order. Throws for a byte that belongs to none, a body of another length, a word too many. */
function readAnswers(text: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  while (rest !== '') {
    const [head, status, lines = ''] = headPattern.exec(rest) ?? [];
    if (head === undefined)
      throw new Error(`not the head of an answer: ${JSON.stringify(rest.slice(0, 400))}`);
    const headers = new Map(lines.split('\r\n').slice(0, -1).map(fieldOf));
    const length = Number(status) < 200 ? 0 : Number(headers.get('content-length') ?? Number.NaN);
    const body = rest.slice(head.length, head.length + length);
    if (body.length !== length) throw new Error(`an answer without its body: ${JSON.stringify(rest)}`);
    if (length > 0 && !bodyPattern.test(body)) throw new Error(`an answer that says more: ${body}`);
    answers.push({ status: Number(status), headers, body });
    rest = rest.slice(head.length + length);
  }
  return answers;
}

function fieldOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(': ');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
}

interface Refusal {
  readonly caller?: Caller;
  readonly status: number;
  readonly trickles?: ConverseOptions['trickles'];
  readonly writesOn?: boolean;
}

/** One answer, that one, a closed connection, nothing kept, and the next caller is served. */
export async function expectRefused(
  server: TestServer,
  writes: Iterable<Bytes>,
  { caller = server, status, ...options }: Refusal,
): Promise<Conversation> {
  const conversation = await converse(caller, { writes, ...options });
  expect(conversation.statuses).toEqual([status]);
  expect(conversation.answers[0]?.headers.get('connection')).toBe('close');
  expect(conversation.closedBy).toBe('receiver');
  expect(server.kept.length).toBe(0);
  await expectServed(server, caller);
  return conversation;
}

const witness = '{"type":"of.another.caller"}';

/** Then it counts the delivery as failed, whatever it is answered later. */
const leanWaitsMs = 10_000;

/** An authentic delivery is answered 200, while Lean would still wait for it. */
export async function expectAccepted(caller: Caller & Pick<Sending, 'agent'>): Promise<void> {
  const startedMs = performance.now();
  const reply = await send({ ...caller, body: witness, secret: testSecret });
  expect(reply).toMatchObject({ status: 200, body: '{"outcome":"accepted"}' });
  expectInTime(performance.now() - startedMs, leanWaitsMs);
}

/** Somebody else's delivery is answered 200 at this moment. It leaves nothing in what the test sees as kept. */
export async function expectServed(server: TestServer, caller: Caller = server): Promise<void> {
  await expectAccepted(caller);
  const at = server.kept.findIndex(({ body }) => Buffer.from(body).toString() === witness);
  if (at !== -1) server.kept.splice(at, 1);
}

/** Nobody holds a place among the requests in flight any more. */
export async function expectNoneInFlight(server: TestServer): Promise<void> {
  await eventually(async () => expect((await server.metrics.inFlight.get()).values[0]?.value ?? 0).toBe(0));
}

/** The head of a delivery up to where the test's own lines begin. */
export const deliveryHead = 'POST /webhooks/lean HTTP/1.1\r\nHost: receiver\r\n';

/** A whole authentic delivery as one piece of the wire. */
export function wholeDelivery(body: Bytes, { lines = '' }: { lines?: string } = {}): Buffer {
  const bytes = asBytes(body);
  const head = `${deliveryHead}Lean-Signature: ${sign(bytes, testSecret)}\r\n${lines}Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes]);
}

/** The same bytes in writes of this many bytes each. */
export function* inPieces(bytes: Bytes, size: number): Iterable<Uint8Array> {
  const whole = asBytes(bytes);
  for (let offset = 0; offset < whole.length; offset += size) yield whole.subarray(offset, offset + size);
}

/** Repeats `step` until `work` is over, and gives what that came to. */
export async function meanwhile<Value>(work: Promise<Value>, step: () => Promise<void>): Promise<Value> {
  const state = { isOver: false };
  const ended = work.finally(() => {
    state.isOver = true;
  });
  while (!state.isOver) await step();
  return ended;
}
