// The well-known slow attacks by the well-known tool, against a whole receiver: slow heads (-H), slow bodies (-B), slow
// reading (-X). Every good delivery of somebody else is answered 200 meanwhile.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../support/engines-binaries.ts';
import { expectInTime } from '../support/eventually.ts';
import { send } from '../support/lean-sender.ts';
import { runProcess, startRole, type RoleProcess } from '../support/processes.ts';
import { meanwhile } from '../support/raw-socket.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';
import { testSecret } from '../support/receiver-server.ts';

const slowhttptest = findProgram('slowhttptest');
const seconds = 4;
/** Twice as many as there are places for requests in flight. */
const connections = 400;

let settings: ReceiverSettings;
let receiver: RoleProcess;
let url: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/slowhttptest-`);
  settings = await receiverSettings({
    VERIFY: 'signature',
    TLS_TERMINATION: 'proxy',
    IN_FLIGHT_LIMIT: String(connections / 2),
  });
  receiver = startRole('receiver', settings.env);
  url = String((await receiver.line('listening'))['url']);
});
afterAll(async () => {
  receiver.kill('SIGKILL');
  await receiver.exited;
  await settings.remove();
  await rm(folder, { recursive: true });
});

describe(`slowhttptest with ${connections} connections`, () => {
  it.for<[string, string[]]>([
    ['-H, heads a line at a time', ['-H', '-t', 'POST', '-i', '1', '-x', '8']],
    ['-B, bodies a few bytes at a time', ['-B', '-t', 'POST', '-i', '1', '-s', '60000', '-x', '8']],
    [
      '-X, answers read a few bytes at a time',
      ['-X', '-t', 'POST', '-w', '1', '-y', '8', '-z', '2', '-n', '1', '-k', '10'],
    ],
  ])('%s: every good delivery is answered 200', async ([, args], { skip }) => {
    skip(slowhttptest === undefined, 'slowhttptest is not installed');
    const flags = [
      '-c',
      String(connections),
      '-r',
      String(connections),
      '-l',
      String(seconds),
      '-p',
      '2',
      '-u',
      url,
      '-o',
      `${folder}/out`,
    ];
    const attack = runProcess({ command: [slowhttptest ?? '', ...args, ...flags], cwd: folder, env: {} });
    const { origin } = new URL(url);
    let served = 0;
    let slowestMs = 0;
    const { stdout } = await meanwhile(attack, async () => {
      const startedMs = performance.now();
      const reply = await send({ url: origin, body: '{"type":"entity.created"}', secret: testSecret });
      expect(reply).toMatchObject({ status: 200 });
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      served += 1;
      await delay(25);
    });
    expect(stripVTControlCharacters(stdout)).toMatch(/service available:\s+YES/);
    expect(served).toBeGreaterThan(0);
    // Lean waits 10 seconds for its answer.
    expectInTime(slowestMs, 8_000);
    expect(receiver.stderr()).toBe('');
  });
});
