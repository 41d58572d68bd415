// How the processes of the benchmark are started: our receiver with the settings of production, and the peers. Says
// nothing about when they are ready, which is measured itself.
import { receiverSettings } from '../support/deployment-settings.ts';
import type { Pki, PkiPaths } from '../support/pki.ts';
import { nodeCommand } from '../support/processes.ts';
import type { PeerSettings } from './peers/peer-settings.ts';
import type { StartedProcess } from './started.ts';

/** What they all stand on. */
export interface Grounds {
  readonly folder: string;
  readonly pki: Pki;
  readonly files: PkiPaths;
  /** Of the webhook. */
  readonly secret: string;
  /** Base64 of 32 bytes, for workers of the same installation. */
  readonly payloadKey: string;
  /** Ends with the stage at the latest. */
  run(started: {
    readonly name: string;
    readonly command: readonly [string, ...string[]];
    readonly env?: Readonly<Record<string, string>>;
  }): StartedProcess;
}

/** As the receiver's own settings work it out; where a worker or the drain looks for batches. */
export const queuePrefix = '{lean-production-ae}';

export interface OursLaunch {
  readonly redisUrl: string;
  /** Any free one when left out. */
  readonly port?: number;
  /** Variables beside those of production, or in their place. */
  readonly settings?: Readonly<Record<string, string>>;
}

let journals = 0;

export function launchOurs(grounds: Grounds, { redisUrl, port = 0, settings }: OursLaunch): StartedProcess {
  const { files, secret, payloadKey, folder: dir } = grounds;
  journals += 1;
  const ofWorkers = { appToken: '', databaseUrl: '', schema: '', leanUrl: '' };
  const production = receiverSettings(
    { files, secret, payloadKey, dir, redisUrl, ...ofWorkers },
    `journal-${journals}`,
  );
  return grounds.run({
    name: 'ours',
    command: nodeCommand('src/main-receiver.ts'),
    env: { ...production, PORT: String(port), ...settings },
  });
}

export type PeerName = 'limit-fastify' | 'textbook' | 'sample';

export function launchPeer(
  grounds: Grounds,
  { name, ...more }: { readonly name: PeerName } & Partial<PeerSettings>,
): StartedProcess {
  const settings = JSON.stringify({ ...peerSettings(grounds), ...more });
  return grounds.run({ name, command: [...nodeCommand(`test/bench/peers/${name}.ts`), settings] });
}

export function peerSettings({ files }: Grounds): PeerSettings {
  return { port: 0, certFile: files.tlsCert, keyFile: files.tlsKey, clientCaFile: files.leanChain };
}

export function launchDrain(grounds: Grounds, url: string): StartedProcess {
  const settings = JSON.stringify({ url, prefix: queuePrefix });
  return grounds.run({ name: 'drain', command: [...nodeCommand('test/bench/peers/drain.ts'), settings] });
}

export interface EmptyWorker {
  readonly url: string;
  readonly queueName: string;
  readonly prefix: string;
  readonly concurrency: number;
}

export function launchEmptyWorker(grounds: Grounds, settings: EmptyWorker): StartedProcess {
  const program = nodeCommand('test/bench/peers/empty-worker.ts');
  return grounds.run({ name: 'empty-worker', command: [...program, JSON.stringify(settings)] });
}

/** Says the address of one customer's accounts. */
export function launchSimulatedLean(grounds: Grounds, appToken: string): StartedProcess {
  const { leanServer, leanChainPem, application } = grounds.pki;
  const { chainPem, keyPem } = leanServer;
  const pki = {
    leanServer: { chainPem, keyPem },
    leanChainPem,
    application: { certPem: application.certPem },
  };
  const program = nodeCommand('test/bench/peers/simulated-lean.ts');
  return grounds.run({ name: 'simulated-lean', command: [...program, JSON.stringify({ appToken, pki })] });
}
