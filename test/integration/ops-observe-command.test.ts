// How `npm run ops -- certificates observe` writes and ends: for a terminal, for a program, by itself and when it is told.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { expectInTime } from '../support/eventually.ts';
import { observedSecret, observing, runObserver, type Env } from '../support/observer.ts';
import { issueLeaf, spkiPin, webhookClientName } from '../support/pki.ts';
import { nodeCommand, root } from '../support/processes.ts';

const { pki, files, direct, observe, call } = observing();

describe('the output', () => {
  it('holds no character that a terminal would obey, whatever a certificate says', async () => {
    const evil = 'a\u001B[31mred\u0007\u009B2J\u202Edeceived\u2028\r\nINJECTED line';
    const leaf = await issueLeaf({
      issuer: pki().issuers.leanIntermediate,
      sans: ['uri:urn:a'],
      eku: ['clientAuth'],
      commonName: evil,
    });
    for (const form of [[], ['--json']]) {
      const observer = await observe(direct(), '--count', '1', ...form);
      await call(observer, leaf, { path: '/%1b[31m' });
      await observer.code;
      expect(observer.output()).toContain('INJECTED');
      expect(observer.output().replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      expect(observer.output()).not.toMatch(/^INJECTED/m);
    }
  });

  it('is one JSON object a line with --json', async () => {
    const observer = await observe(direct(), '--json', '--count', '2');
    await call(observer, pki().lean.webhookClient, { secret: observedSecret });
    await call(observer);
    expect(await observer.code).toBe(1);
    expect(
      observer
        .output()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { kind: 'listening', url: expect.stringContaining(observer.url), judged: true, seconds: 3_600 },
      expect.objectContaining({
        kind: 'request',
        remote_address: '127.0.0.1',
        names: webhookClientName,
        key: spkiPin(pki().lean.webhookClient.certPem),
        signature: 'valid',
      }),
      expect.objectContaining({ kind: 'request', code: 'CERTIFICATE_REQUIRED', reason: 'NOT_PRESENTED' }),
    ]);
  });
});

const lines = (output: string) => output.split('\n').map((line) => z.looseObject({}).parse(JSON.parse(line)));

describe('a crowd of strangers', () => {
  it('gets a few lines, does not use up --count, and does not keep Lean from being shown', async () => {
    const observer = await observe(direct(), '--json', '--count', '22');
    for (let stranger = 0; stranger < 25; stranger += 1) await call(observer);
    await call(observer, pki().otherCustomer);
    await call(observer, pki().lean.webhookClient, { secret: observedSecret });
    expect(await observer.code).toBe(1);
    const [, ...said] = lines(observer.output());
    const shown = said.filter(({ kind }) => kind === 'request');
    expect(shown.slice(0, 20)).toSatisfy((twenty: typeof shown) =>
      twenty.every(({ reason }) => reason === 'NOT_PRESENTED'),
    );
    expect(shown.slice(20)).toMatchObject([
      { reason: 'NOT_ON_LIST' },
      { names: webhookClientName, signature: 'valid' },
    ]);
    expect(said.at(-1)).toEqual({
      kind: 'end',
      requests: 27,
      connections_broken: 0,
      refused: 26,
      left_out: 5,
    });
  });

  it('that holds every connection gives way to Lean', async () => {
    const observer = await observe(direct(), '--count', '1');
    const port = Number(new URL(observer.url).port);
    const silent = Array.from({ length: 256 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    await call(observer, pki().lean.webhookClient, { secret: observedSecret });
    expect(await observer.code).toBe(0);
    for (const socket of silent) socket.destroy();
  });
});

describe('the end', () => {
  it('comes by itself after --seconds, with 1 when nobody called', async () => {
    const observer = await observe(direct(), '--seconds', '1');
    expect(await observer.code).toBe(1);
  });

  it('comes on an interrupt, while somebody holds a connection without a word', async () => {
    const observer = await observe(direct());
    await call(observer, pki().lean.webhookClient, { secret: observedSecret });
    const silent = net.connect(Number(new URL(observer.url).port), '127.0.0.1');
    const cut = once(silent, 'close');
    await once(silent, 'connect');
    const stoppedMs = performance.now();
    observer.stop();
    expect(await observer.code).toBe(0);
    await cut;
    // Sooner than the 5 s that a handshake may take.
    expectInTime(performance.now() - stoppedMs, 4_500);
    await expect(call(observer)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('of the process is its exit code, on SIGINT', async () => {
    const [program, ...args] = nodeCommand('src/main-ops.ts');
    const env = Object.fromEntries(Object.entries(direct()).filter(([, value]) => value !== undefined));
    const child = spawn(program, [...args, 'certificates', 'observe', '--port', '0', '--json'], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [first] = await once(createInterface({ input: child.stdout }), 'line');
    expect(JSON.parse(String(first))).toMatchObject({ kind: 'listening' });
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([1, null]);
  });
});

describe('ends at once with 2', () => {
  it('for a port that is taken, naming the option', async () => {
    const observer = await observe(direct());
    const text = await refused(direct(), '--port', new URL(observer.url).port);
    expect(text).toMatch(/^PORT_IN_USE: --port: port \d+ is taken/);
  });

  it('without a certificate of our own', async () => {
    const text = await refused({ HOST: '127.0.0.1' }, '--port', '0');
    expect(text).toContain('needs TLS_CERT_FILE and TLS_KEY_FILE');
  });

  it('for material that cannot be used', async () => {
    await rm(files().leanChain);
    expect(await refused(direct(), '--port', '0')).toMatch(/^TLS_MATERIAL_INVALID: .*cannot be read/);
  });

  it.each([['--port', '65536'], ['--count', '0'], ['--seconds', 'long'], ['--colour'], ['more']])(
    'for %s %s, with the help',
    async (...argv) => {
      expect(await refused(direct(), ...argv)).toContain('npm run ops -- <command>');
    },
  );
});

async function refused(env: Env, ...argv: string[]): Promise<string> {
  const { output, code } = runObserver(env, { argv, stop: AbortSignal.timeout(0) });
  expect(await code).toBe(2);
  return output();
}
