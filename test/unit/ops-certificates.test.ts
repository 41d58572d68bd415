// `npm run ops -- certificates check` finds before the start what the start would refuse, and what ends soon.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.ts';
import { runOpsCommand } from '../../src/operations/ops-command.ts';
import {
  createPki,
  issueLeaf,
  spkiPin,
  testPki,
  webhookClientName,
  writePki,
  type Pki,
  type PkiPaths,
} from '../support/pki.ts';
import { createRevocationList } from '../support/revocation-list.ts';

let pki: Pki;
beforeAll(async () => {
  pki = await testPki();
});

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((dir) => rm(dir, { recursive: true, force: true })));
});

interface Setting {
  readonly files: PkiPaths;
  readonly crl: string;
  env: Record<string, string>;
}

async function prepare(): Promise<Setting> {
  const dir = await mkdtemp(path.join(tmpdir(), 'ops-certificates-'));
  folders.push(dir);
  const files = await writePki(pki, dir);
  const crl = path.join(dir, 'lean.crl');
  await writeFile(crl, await list(30));
  const env = {
    VERIFY: 'certificate+signature',
    TLS_CERT_FILE: files.tlsCert,
    TLS_KEY_FILE: files.tlsKey,
    LEAN_CERT_FILE: files.applicationCert,
    LEAN_KEY_FILE: files.applicationKey,
    LEAN_CA_FILE: files.leanChain,
    LEAN_CRL_FILE: crl,
    LEAN_CLIENT_NAMES: webhookClientName,
  };
  return { files, crl, env };
}

const dayMs = 86_400_000;
const list = (days: number) =>
  createRevocationList(pki.issuers.leanRoot, [], new Date(Date.now() + days * dayMs));

async function check({ env }: Setting, ...options: string[]): Promise<{ code: number; output: string }> {
  const config = loadConfig('ops', env);
  const written: string[] = [];
  const code = await runOpsCommand({
    argv: ['certificates', 'check', ...options],
    config,
    databaseUrl: undefined,
    schema: 'lean',
    developmentSocket: '',
    write: (text) => written.push(text),
    untilInterrupted: () => new AbortController().signal,
  });
  return { code, output: written.join('\n') };
}

it('says of sound material in one line each until when it can be used, and exits 0', async () => {
  const { code, output } = await check(await prepare());
  const lines = output.split('\n');
  expect(lines.map((line) => line.replace(/:.*/, ''))).toEqual([
    'ok      server pair',
    'ok      application pair',
    'ok      lean chain',
    'ok      lean chain',
    'ok      revocation lists',
    'ok      client names',
  ]);
  for (const line of lines.slice(0, 5)) expect(line).toMatch(/until \d{4}-\d\d-\d\dT.*\(\d+ days\)$/);
  expect(code).toBe(0);
});

it('writes the same as JSON', async () => {
  const { code, output } = await check(await prepare(), '--json');
  expect(JSON.parse(output)).toContainEqual({
    subject: 'client names',
    state: 'ok',
    message: '1 by name, 0 by key',
  });
  expect(code).toBe(0);
});

it('takes what is not configured and not needed as it is', async () => {
  const setting = await prepare();
  setting.env = {};
  const { code, output } = await check(setting);
  expect(output.split('\n').every((line) => line.endsWith('not configured'))).toBe(true);
  expect(code).toBe(0);
});

describe('exits 1 with a warning', () => {
  it('when a list is current for less than a week', async () => {
    const setting = await prepare();
    await writeFile(setting.crl, await list(6));
    expect(await check(setting)).toEqual({
      code: 1,
      output: expect.stringMatching(/^warning revocation lists/m),
    });
  });

  it('when our certificate has less than a month left', async () => {
    const setting = await prepare();
    const notAfter = new Date(Date.now() + 20 * dayMs);
    const issuer = pki.issuers.publicRoot;
    const leaf = await issueLeaf({ issuer, sans: ['dns:localhost'], eku: ['serverAuth'], notAfter });
    await writeFile(setting.files.tlsCert, leaf.chainPem);
    await writeFile(setting.files.tlsKey, leaf.keyPem);
    expect(await check(setting)).toEqual({ code: 1, output: expect.stringMatching(/^warning server pair/m) });
  });
});

describe('exits 2 with a problem', () => {
  it.each<[string, (setting: Setting) => Promise<void> | void, RegExp]>([
    [
      'a key that is of another certificate',
      async ({ files }) => writeFile(files.tlsKey, (await createPki()).receiverServer.keyPem),
      /^problem server pair: .*is not the key of/m,
    ],
    [
      'an application certificate that is missing',
      ({ files }) => rm(files.applicationCert),
      /^problem application pair: .*cannot be read/m,
    ],
    [
      'a chain without a root',
      ({ files }) => writeFile(files.leanChain, pki.issuers.leanIntermediate.presentedPem),
      /^problem lean chain: .*no self-signed root/m,
    ],
    [
      'no chain',
      ({ env }) => void delete env['LEAN_CA_FILE'],
      /^problem lean chain: LEAN_CA_FILE is needed/m,
    ],
    [
      'a list that is outdated',
      async ({ crl }) => writeFile(crl, await list(-0.01)),
      /^problem revocation lists: list 1 is outdated/m,
    ],
    [
      'a list that cannot be read',
      ({ crl }) => writeFile(crl, 'nothing'),
      /^problem revocation lists: .*holds no revocation list/m,
    ],
    [
      'no names',
      ({ env }) => void delete env['LEAN_CLIENT_NAMES'],
      /^problem client names: LEAN_CLIENT_NAMES/m,
    ],
    [
      'a purpose that needs a pinned key',
      ({ env }) => void (env['LEAN_CLIENT_PURPOSE'] = 'serverAuth'),
      /^problem client names: .*sha256/m,
    ],
  ])('for %s', async (_what, spoil, line) => {
    const setting = await prepare();
    await spoil(setting);
    expect(await check(setting)).toEqual({ code: 2, output: expect.stringMatching(line) });
  });

  it('for anything else than check, with the help', async () => {
    const setting = await prepare();
    expect(await check(setting, 'more')).toEqual({
      code: 2,
      output: expect.stringContaining('certificates check'),
    });
  });
});

it('counts pinned keys apart from names', async () => {
  const setting = await prepare();
  setting.env['LEAN_CLIENT_PURPOSE'] = 'serverAuth';
  setting.env['LEAN_CLIENT_NAMES'] = `${webhookClientName},${spkiPin(pki.lean.webhookClient.certPem)}`;
  expect(await check(setting)).toEqual({
    code: 0,
    output: expect.stringContaining('1 by name, 1 by key'),
  });
});
