// Debian's Chromium without a screen, steered over its own protocol, so that a page without any script can be measured
// too. Every question is bounded; stops the one process it starts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { withDeadline } from '../../src/core/deadline.ts';

const program = '/usr/bin/chromium';
export const hasChromium = existsSync(program);

interface LookOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly width: number;
  readonly height: number;
  readonly scheme: 'light' | 'dark';
  /** In the page, once it holds `readyWhen`; both are expressions. */
  readonly readyWhen?: string;
}

export interface Look {
  /** A PNG of the whole page. */
  readonly picture: Buffer;
  readonly scrollWidth: number;
  readonly words: string;
  /** What the page wrote to its console, and what the browser refused it. */
  readonly complaints: readonly string[];
  readonly requests: readonly string[];
  /** An expression in the page. */
  readonly evaluate: (expression: string) => Promise<unknown>;
}

export interface Browser {
  look(options: LookOptions): Promise<Look>;
  close(): Promise<void>;
}

const patienceMs = 60_000;
const messageSchema = z.looseObject({
  id: z.number().optional(),
  sessionId: z.string().optional(),
  method: z.string().optional(),
  params: z.looseObject({}).optional(),
  result: z.looseObject({}).optional(),
  error: z.looseObject({ message: z.string() }).optional(),
});
type Message = z.infer<typeof messageSchema>;

export async function startChromium(): Promise<Browser> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chromium-'));
  const child = spawn(
    program,
    ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
      .concat(['--disable-background-networking', '--disable-component-update', '--lang=en-US'])
      .concat(['--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank']),
    { stdio: ['ignore', 'ignore', 'pipe'], env: { HOME: folder, PATH: '/usr/bin:/bin' } },
  );
  const exited = once(child, 'exit');
  const link = await withDeadline(devtoolsUrl(child.stderr), {
    deadlineMs: patienceMs,
    what: 'starting Chromium',
  }).then(openLink);
  return {
    look: (options) => withDeadline(lookAt(link, options), { deadlineMs: patienceMs, what: 'looking' }),
    async close() {
      link.close();
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function devtoolsUrl(stderr: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stderr })) {
    const url = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (url !== undefined) {
      stderr.resume();
      return url;
    }
  }
  throw new Error('Chromium ended before it listened');
}

interface Link {
  send(method: string, params?: object, sessionId?: string): Promise<Record<string, unknown>>;
  onEvent(listener: (message: Message) => void): void;
  close(): void;
}

async function openLink(url: string): Promise<Link> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  const listeners: ((message: Message) => void)[] = [];
  let last = 0;
  socket.addEventListener('message', ({ data }) => {
    const message = messageSchema.parse(JSON.parse(String(data)));
    if (message.id === undefined) for (const listener of listeners) listener(message);
    else if (message.error === undefined) waiting.get(message.id)?.resolve(message.result ?? {});
    else waiting.get(message.id)?.reject(new Error(message.error.message));
  });
  return {
    send(method, params = {}, sessionId) {
      const answer = Promise.withResolvers<Record<string, unknown>>();
      waiting.set((last += 1), answer);
      socket.send(
        JSON.stringify({ id: last, method, params, ...(sessionId !== undefined && { sessionId }) }),
      );
      return answer.promise;
    },
    onEvent: (listener) => void listeners.push(listener),
    close: () => socket.close(),
  };
}

async function lookAt(link: Link, options: LookOptions): Promise<Look> {
  const { url, headers, width, height, scheme, readyWhen = 'true' } = options;
  const { targetId } = await link.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await link.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (method: string, params: object = {}) => link.send(method, params, String(sessionId));
  const complaints: string[] = [];
  const requests: string[] = [];
  const loaded = Promise.withResolvers<void>();
  link.onEvent(({ method, params, sessionId: of }) => {
    if (of !== sessionId) return;
    const said = JSON.stringify(params);
    if (method === 'Runtime.consoleAPICalled' || method === 'Runtime.exceptionThrown') complaints.push(said);
    if (method === 'Log.entryAdded' || method === 'Network.loadingFailed') complaints.push(said);
    if (method === 'Network.requestWillBeSent') requests.push(requestUrl(params));
    if (method === 'Page.loadEventFired') loaded.resolve();
  });
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
  await send('Network.setExtraHTTPHeaders', { headers });
  const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
  await send('Emulation.setDeviceMetricsOverride', size);
  await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  await send('Page.navigate', { url });
  await loaded.promise;
  const evaluate = async (expression: string) =>
    valueOf(await send('Runtime.evaluate', { expression, ...byValue }));
  await evaluate(`new Promise((resolve) => { const look = () =>
    (${readyWhen}) ? resolve() : requestAnimationFrame(look); look(); })`);
  const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: true });
  return {
    picture: Buffer.from(String(data), 'base64'),
    scrollWidth: Number(await evaluate('document.documentElement.scrollWidth')),
    words: String(await evaluate('document.body.innerText')),
    complaints,
    requests,
    evaluate,
  };
}

const byValue = { returnByValue: true, awaitPromise: true };

function valueOf(answer: Record<string, unknown>): unknown {
  return z.looseObject({ result: z.looseObject({ value: z.unknown().optional() }) }).parse(answer).result
    .value;
}

function requestUrl(params: unknown): string {
  return z.looseObject({ request: z.looseObject({ url: z.string() }) }).parse(params).request.url;
}
