// A Redis-protocol server in memory for demo, development and tests: a child process that this process does not
// outlive. Never for production: nothing in it survives, and it knows no password.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface EmbeddedRedis {
  /** `redis://127.0.0.1:<port>`, any free port. */
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

const startDeadlineMs = 15_000;
const stopDeadlineMs = 2_000;
const serverFile = fileURLToPath(new URL('embedded-redis-server.ts', import.meta.url));

/** Resolves when the server answers PING; throws when it does not within 15 s. */
export async function startEmbeddedRedis(): Promise<EmbeddedRedis> {
  // Its standard input is the leash: the pipe closes with this process, however that ends.
  const child = spawn(process.execPath, [serverFile], { stdio: ['pipe', 'pipe', 'inherit'] });
  const signal = AbortSignal.timeout(startDeadlineMs);
  try {
    const port = await announcedPort(child, signal);
    await answersPing(port, signal);
    const { pid } = child;
    if (pid === undefined) throw new Error('the embedded Redis did not start');
    return { url: `redis://127.0.0.1:${port}`, pid, close: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw new Error('the embedded Redis did not start', { cause: error });
  }
}

async function announcedPort(child: ChildProcess, signal: AbortSignal): Promise<number> {
  if (child.stdout === null) throw new Error('the embedded Redis has no output');
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`the embedded Redis ended with ${String(code)}`);
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line', { signal }), ended]);
  return Number(line);
}

async function answersPing(port: number, signal: AbortSignal): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect', { signal });
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data', { signal });
    if (!String(answer).startsWith('+PONG')) throw new Error('the embedded Redis does not answer PING');
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await exited;
  clearTimeout(force);
}
