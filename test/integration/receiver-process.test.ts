// The receiver as a process: what it says when it starts, when it cannot, and how it ends.
import { afterEach, expect, it } from 'vitest';
import { send } from '../support/lean-sender.ts';
import { startRole, type RoleProcess } from '../support/processes.ts';
import { fromLean } from '../support/receiver-server.ts';
import { receiverSettings, type ReceiverSettings } from '../support/receiver-settings.ts';

const processes: RoleProcess[] = [];
const folders: ReceiverSettings[] = [];

afterEach(async () => {
  for (const process of processes) process.kill('SIGKILL');
  await Promise.all(processes.splice(0).map(({ exited }) => exited));
  await Promise.all(folders.splice(0).map((settings) => settings.remove()));
});

async function start(changes: Record<string, string> = {}) {
  const settings = await receiverSettings(changes);
  folders.push(settings);
  const process = startRole('receiver', settings.env);
  processes.push(process);
  return { settings, process };
}

it('says once where it listens, serves, and ends with 0 on SIGTERM with what it acknowledged in its journal', async () => {
  const { settings, process } = await start();
  const listening = await process.line('listening');
  const url = String(listening['url']);
  const opsUrl = String(listening['opsUrl']);
  expect(listening).toMatchObject({ role: 'receiver' });
  const { origin, pathname } = new URL(url);
  const delivery = fromLean({ url: origin }, settings.pki, { path: pathname });
  expect(await send(delivery)).toMatchObject({ status: 200 });
  expect((await fetch(`${opsUrl}/readyz`)).status).toBe(200);
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 0, signal: null });
  expect(process.lines).toContainEqual(
    expect.objectContaining({ msg: 'shutdown', phase: 'closed', rows_left: 1 }),
  );
  expect(process.lines.filter(({ msg }) => msg === 'listening')).toHaveLength(1);
  expect(process.stderr()).toBe('');
});

it('is unready and serves on for the delay after SIGTERM, and a second signal ends it at once', async () => {
  const { settings, process } = await start({ SHUTDOWN_DELAY_MS: '60000' });
  const listening = await process.line('listening');
  process.kill('SIGTERM');
  await process.line('shutdown');
  await expect.poll(async () => (await fetch(`${String(listening['opsUrl'])}/readyz`)).status).toBe(503);
  const { origin } = new URL(String(listening['url']));
  expect(await send(fromLean({ url: origin }, settings.pki))).toMatchObject({ status: 200 });
  process.kill('SIGTERM');
  expect(await process.exited).toEqual({ code: 1, signal: null });
});

it('lists every problem of its configuration in one message and ends with 1', async () => {
  const { process } = await start({ VERIFY: 'sometimes', TLS_CERT_FILE: '', PORT: 'https' });
  expect(await process.exited).toEqual({ code: 1, signal: null });
  for (const part of ['CONFIG_INVALID', 'VERIFY', 'TLS_CERT_FILE', 'PORT'])
    expect(process.stderr()).toContain(part);
  expect(process.lines).toEqual([]);
});

it('ends with 1 and PORT_IN_USE naming the variable when a port is taken', async () => {
  const first = await start();
  const { port } = new URL(String((await first.process.line('listening'))['url']));
  const second = await start({ PORT: port });
  expect(await second.process.exited).toEqual({ code: 1, signal: null });
  const failed = await second.process.line('start_failed');
  expect(failed).toMatchObject({ failure_code: 'PORT_IN_USE', problem: expect.stringContaining('PORT') });
});

it('warns loudly when the addressee is unproven, and when nobody has to prove anything', async () => {
  const certificate = await start({ VERIFY: 'certificate' });
  const warning = await certificate.process.line('config_warning');
  expect(warning).toMatchObject({ level: 'warn', failure_code: 'ADDRESSEE_UNPROVEN' });
  const nobody = await start({ VERIFY: 'none' });
  expect(await nobody.process.line('config_warning')).toMatchObject({ level: 'warn', variable: 'VERIFY' });
});
