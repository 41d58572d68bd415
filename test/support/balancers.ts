// Real load balancers in front of a receiver: nginx and HAProxy as this machine has them, run with the README's own text.
// Never falls back to a configuration of its own: what the README does not hold, or no longer says, is an error.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findProgram } from './engines-binaries.ts';
import { freePort } from './engines-processes.ts';
import { writePki, type Pki } from './pki.ts';
import { root } from './processes.ts';

type BalancerKind = 'nginx' | 'haproxy' | 'haproxy-tcp';

export interface BalancerOptions {
  readonly kind: BalancerKind;
  readonly pki: Pki;
  readonly receiverPort: number;
  /** In the place of the README's block of that kind. */
  readonly configuration?: string;
  /** Pieces of the README's text and what stands there instead; each piece must be there. */
  readonly changes?: readonly (readonly [text: string, instead: string])[];
}

export interface Balancer {
  readonly url: string;
  close(): Promise<void>;
}

const programs = { nginx: 'nginx', haproxy: 'haproxy', 'haproxy-tcp': 'haproxy' } as const;
const startAttempts = 5;
const startDeadlineMs = 10_000;
const endDeadlineMs = 5_000;

/** The program's path; undefined where Debian's package is not installed. */
export function findBalancer(kind: BalancerKind): string | undefined {
  return findProgram(programs[kind], ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']);
}

export function readmeText(): string {
  return readFileSync(path.join(root, 'README.md'), 'utf8');
}

/** The configuration under `<!-- config:NAME -->` in the README, as a reader would copy it. */
export function readmeConfiguration(name: string): string {
  const readme = readmeText();
  const [, block] =
    new RegExp(`^<!-- config:${name} -->\n\`\`\`\\w*\n(.*?)^\`\`\`$`, 'ms').exec(readme) ?? [];
  if (block === undefined) throw new Error(`README.md has no block <!-- config:${name} -->`);
  return block;
}

/** Another process may take a port between the look and the start, so a start on a fresh port has a few attempts. */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const program = findBalancer(options.kind);
  if (program === undefined) throw new Error(`${programs[options.kind]} is not on this machine`);
  const dir = await mkdtemp(path.join(tmpdir(), `balancer-${options.kind}-`));
  const removeFolder = () => rm(dir, { recursive: true, force: true });
  try {
    const files = await writePki(options.pki, dir);
    // HAProxy wants the certificate and its key in one file.
    const pair = await Promise.all([readFile(files.tlsCert), readFile(files.tlsKey)]);
    await writeFile(path.join(dir, 'tls.pem'), Buffer.concat(pair), { mode: 0o600 });
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const running = await run(program, await writeConfiguration({ ...options, dir, port }));
      if (await answers(running, port)) {
        return {
          url: `https://127.0.0.1:${port}`,
          async close() {
            await running.end();
            await removeFolder();
          },
        };
      }
      await running.end();
      if (attempt === startAttempts) throw new Error(`${program} did not start:\n${running.said()}`);
    }
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

interface Writing extends BalancerOptions {
  readonly dir: string;
  readonly port: number;
}

/** Writes the configuration; returns the arguments that run it in the foreground. */
async function writeConfiguration({ kind, dir, port, receiverPort, ...given }: Writing): Promise<string[]> {
  const listens = kind === 'nginx' ? 'listen 443' : 'bind :443';
  const here: (readonly [string, string])[] = [
    [listens, `${listens.split(' ')[0]} 127.0.0.1:${port}`],
    ['10.0.0.20:8443', `127.0.0.1:${receiverPort}`],
    ...(kind === 'haproxy-tcp' ? [] : [['/etc/lean/', `${dir}/`] as const]),
    ...(given.changes ?? []),
  ];
  let text = given.configuration ?? readmeConfiguration(kind);
  for (const [from, to] of here) {
    if (!text.includes(from)) throw new Error(`the configuration of ${kind} has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  const file = path.join(dir, `${programs[kind]}.conf`);
  await writeFile(file, kind === 'nginx' ? nginxAround(text, dir) : text);
  return kind === 'nginx' ? ['-p', dir, '-e', 'stderr', '-c', file] : ['-db', '-f', file];
}

/** What a package's own nginx.conf has around a site: one process, nothing outside the folder. */
function nginxAround(site: string, dir: string): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    'daemon off; master_process off; error_log stderr warn;',
    `pid ${dir}/nginx.pid;`,
    'events {}',
    'http {',
    'access_log off;',
    ...folders.map((name) => `${name}_temp_path ${dir}/${name};`),
    site,
    '}',
  ].join('\n');
}

interface Running {
  readonly child: ChildProcess;
  said(): string;
  end(): Promise<void>;
}

async function run(program: string, args: readonly string[]): Promise<Running> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-10_000);
    });
  }
  await once(child, 'spawn');
  return {
    child,
    said: () => said,
    async end() {
      child.kill('SIGTERM');
      const isLate = Symbol('late');
      if ((await Promise.race([exited, delay(endDeadlineMs, isLate, { ref: false })])) === isLate)
        child.kill('SIGKILL');
      await exited;
    },
  };
}

/** False when the program ended, most likely because the port was taken, or never listened. */
async function answers({ child }: Running, port: number): Promise<boolean> {
  const endsAt = performance.now() + startDeadlineMs;
  while (child.exitCode === null && performance.now() < endsAt) {
    if (await connects(port)) return child.exitCode === null;
    await delay(20);
  }
  return false;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
