// `certificates observe` running for a test, with the material an operator would have configured, and calls to it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { runOpsCommand } from '../../src/operations/ops-command.ts';
import { eventually } from './eventually.ts';
import { send, type Reply, type Sending } from './lean-sender.ts';
import { testPki, webhookClientName, writePki, type Identity, type Pki, type PkiPaths } from './pki.ts';

export type Env = Readonly<Record<string, string | undefined>>;

interface Observer {
  readonly url: string;
  /** Everything written so far. */
  readonly output: () => string;
  readonly stop: () => void;
  /** The exit code. */
  readonly code: Promise<number>;
}

interface Shown {
  readonly reply: Reply;
  readonly code: number;
  /** What was printed of the call, by label. */
  readonly facts: Readonly<Record<string, string>>;
  readonly output: string;
}

interface Observing {
  readonly pki: () => Pki;
  readonly files: () => PkiPaths;
  /** The environment of a receiver that ends TLS itself. */
  readonly direct: () => Env;
  readonly observe: (env: Env, ...options: string[]) => Promise<Observer>;
  readonly call: (observer: Observer, identity?: Identity, changes?: Partial<Sending>) => Promise<Reply>;
  /** Calls once and waits for the end. */
  readonly shown: (env: Env, identity?: Identity, changes?: Partial<Sending>) => Promise<Shown>;
}

export const observedSecret = 'whsec-of-the-observer';
export const observedBody = '{"type":"entity.created","payload":"not-for-a-terminal"}';

/** For the tests of the block that calls it; observers that a test left running end with it. */
export function observing(): Observing {
  let pki: Pki | undefined;
  let dir = '';
  let files: PkiPaths | undefined;
  const stops: AbortController[] = [];
  beforeAll(async () => {
    pki = await testPki();
  });
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'ops-observe-'));
    files = await writePki(made(pki), dir);
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop.abort();
    await rm(dir, { recursive: true, force: true });
  });

  async function observe(env: Env, ...options: string[]): Promise<Observer> {
    const stop = new AbortController();
    stops.push(stop);
    const { output, code } = runObserver(env, { argv: ['--port', '0', ...options], stop: stop.signal });
    const url = await Promise.race([
      eventually(() => urlIn(output())),
      code.then((ended) => Promise.reject(new Error(`ended with ${ended}: ${output()}`))),
    ]);
    return { url, output, stop: () => stop.abort(), code };
  }

  function call({ url }: Observer, identity?: Identity, changes: Partial<Sending> = {}): Promise<Reply> {
    const { serverCaPem } = made(pki);
    return send({ url, serverCaPem, identity, body: observedBody, ...changes });
  }

  return {
    pki: () => made(pki),
    files: () => made(files),
    direct: () => directEnv(made(files)),
    observe,
    call,
    async shown(env, identity, changes) {
      const observer = await observe(env, '--count', '1');
      const reply = await call(observer, identity, changes);
      const code = await observer.code;
      return { reply, code, facts: factsIn(observer.output()), output: observer.output() };
    },
  };
}

export function runObserver(env: Env, run: { argv: readonly string[]; stop: AbortSignal }) {
  const written: string[] = [];
  const code = runOpsCommand({
    argv: ['certificates', 'observe', ...run.argv],
    config: loadConfig('ops', env),
    databaseUrl: undefined,
    schema: 'lean',
    developmentSocket: '',
    write: (text) => written.push(text),
    untilInterrupted: () => run.stop,
  });
  return { output: () => written.join('\n'), code };
}

function directEnv(files: PkiPaths): Env {
  return {
    HOST: '127.0.0.1',
    TLS_CERT_FILE: files.tlsCert,
    TLS_KEY_FILE: files.tlsKey,
    LEAN_CA_FILE: files.leanChain,
    LEAN_CLIENT_NAMES: webhookClientName,
    LEAN_WEBHOOK_SECRET: observedSecret,
  };
}

function urlIn(output: string): string {
  const [url] = /https?:\/\/127\.0\.0\.1:\d+/.exec(output) ?? [];
  if (url === undefined) throw new Error(`nothing listens: ${output}`);
  return url;
}

function factsIn(output: string): Record<string, string> {
  const lines = output.matchAll(/^ {2}(\S.{11})(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name.trim(), value]));
}

function made<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error('not before the tests run');
  return value;
}
