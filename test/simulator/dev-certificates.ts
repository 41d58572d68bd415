// What a developer's service and simulator share: certificates, secret, app token and ports, made once per folder.
// For development only: the keys of both sides lie in one place.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import {
  createPki,
  pkiPaths,
  webhookClientName,
  writePki,
  type Identity,
  type PkiPaths,
} from '../support/pki.ts';

const setupFileSchema = z.strictObject({
  secret: z.string().min(1),
  appToken: z.string().min(1),
  simulatorPort: z.int().min(1).max(65_535),
  webhookUrl: z.url(),
});

export interface DevelopmentSetup extends z.infer<typeof setupFileSchema> {
  /** Absolute folder of the files. */
  readonly dir: string;
  readonly paths: PkiPaths;
  /** Where the simulator serves Lean's API: `https://127.0.0.1:<simulatorPort>`. */
  readonly leanApiUrl: string;
}

/** Reads the setup in `dir`/setup, making it first where it is missing. Safe when two processes start together. */
export async function developmentSetup(dir = path.join('data', 'dev')): Promise<DevelopmentSetup> {
  const setupDir = path.resolve(dir, 'setup');
  const text = await readIfPresent(path.join(setupDir, 'setup.json'));
  if (text === null) await makeSetup(path.resolve(dir), setupDir);
  const file = text ?? (await readFile(path.join(setupDir, 'setup.json'), 'utf8'));
  const facts = setupFileSchema.parse(JSON.parse(file));
  return {
    ...facts,
    dir: setupDir,
    paths: pkiPaths(setupDir),
    leanApiUrl: `https://127.0.0.1:${facts.simulatorPort}`,
  };
}

/** The variables that make a service of this repository run against the simulator, certificate and signature verified. */
export function developmentEnvironment(setup: DevelopmentSetup): Record<string, string> {
  const { paths } = setup;
  return {
    VERIFY: 'certificate+signature',
    TLS_CERT_FILE: paths.tlsCert,
    TLS_KEY_FILE: paths.tlsKey,
    LEAN_CA_FILE: paths.leanChain,
    LEAN_CLIENT_NAMES: webhookClientName,
    LEAN_WEBHOOK_SECRET: setup.secret,
    LEAN_ENVIRONMENT: 'sandbox',
    LEAN_REGION: 'ae',
    LEAN_API_URL: setup.leanApiUrl,
    LEAN_APP_TOKEN: setup.appToken,
    LEAN_CERT_FILE: paths.applicationCert,
    LEAN_KEY_FILE: paths.applicationKey,
  };
}

export interface DevelopmentIdentities {
  readonly lean: { readonly webhookClient: Identity };
  readonly otherCustomer: Identity;
  readonly rogue: Identity;
  readonly leanServer: Identity;
  readonly application: { readonly certPem: string };
  readonly leanChainPem: string;
  readonly serverCaPem: string;
}

/** Lean's side of the setup, read back from its files. */
export async function developmentIdentities({ paths }: DevelopmentSetup): Promise<DevelopmentIdentities> {
  const identity = async (certFile: string, keyFile: string): Promise<Identity> => {
    const chainPem = await read(certFile);
    const end = '-----END CERTIFICATE-----\n';
    const certPem = chainPem.slice(0, chainPem.indexOf(end) + end.length);
    return { chainPem, certPem, keyPem: await read(keyFile) };
  };
  return {
    lean: { webhookClient: await identity(paths.webhookClientCert, paths.webhookClientKey) },
    otherCustomer: await identity(paths.otherCustomerCert, paths.otherCustomerKey),
    rogue: await identity(paths.rogueCert, paths.rogueKey),
    leanServer: await identity(paths.leanServerCert, paths.leanServerKey),
    application: { certPem: await read(paths.applicationCert) },
    leanChainPem: await read(paths.leanChain),
    serverCaPem: await read(paths.serverCa),
  };
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

/** Written aside and renamed: whoever comes second finds the first one's, whole. */
async function makeSetup(dir: string, setupDir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const making = await mkdtemp(path.join(dir, '.making-'));
  try {
    await writePki(await createPki(), making);
    const facts: z.infer<typeof setupFileSchema> = {
      secret: randomBytes(32).toString('hex'),
      appToken: randomUUID(),
      simulatorPort: 9443,
      webhookUrl: 'https://localhost:8443/webhooks/lean',
    };
    const text = `${JSON.stringify(facts, null, 2)}\n`;
    await writeFile(path.join(making, 'setup.json'), text, { mode: 0o600 });
    await rename(making, setupDir);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    if (!isAlreadyThere(error)) throw error;
  }
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST');
}
