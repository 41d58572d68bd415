// Everything that is done to the service while it works: one fault is applied, held for a while and healed again.
// Nothing here looks at what the service makes of it.
import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../simulator/random.ts';
import { issueLeaf } from '../support/pki.ts';
import type { Fault, FaultContext } from './fault.ts';
import { postgresFaults, redisFaults } from './faults-engines.ts';
import { roleFaults } from './faults-roles.ts';
import type { Stage } from './stage.ts';

const leanFaults: readonly Fault[] = [
  leanFault('lean 500', { kind: 'error', httpStatus: 500, status: 'INTERNAL_SERVER_ERROR' }),
  leanFault('lean resets', { kind: 'reset' }),
  leanFault('lean half a body', { kind: 'bad-json' }),
  leanFault('lean 429', { kind: 'rate-limit', retryAfter: '1' }),
  leanFault('lean slow', { kind: 'delay', ms: 1_500 }),
];

const networkFaults: readonly Fault[] = [
  {
    kind: 'connections from Lean reset',
    on: 'network',
    async run({ stage }) {
      stage.balancer.reset();
    },
  },
  {
    kind: 'server certificate replaced',
    on: 'network',
    async run({ stage: { pki, files } }) {
      const sans = ['dns:localhost', 'ip:127.0.0.1'];
      const next = await issueLeaf({ issuer: pki.issuers.publicRoot, sans, eku: ['serverAuth'] });
      await replace(files.tlsKey, next.keyPem);
      await replace(files.tlsCert, next.chainPem);
    },
  },
];

const allFaults: readonly Fault[] = [
  ...roleFaults,
  ...redisFaults,
  ...postgresFaults,
  ...leanFaults,
  ...networkFaults,
];

function leanFault(kind: string, fault: Parameters<Stage['lean']['faults']['add']>[0]['fault']): Fault {
  return {
    kind,
    on: 'lean',
    async run({ stage, random, hold }) {
      stage.lean.faults.add({ fault, times: random.integer(1, 6) });
      await hold(500, 2_000);
    },
  };
}

async function replace(file: string, content: string): Promise<void> {
  await writeFile(`${file}.next`, content, { mode: 0o600 });
  await rename(`${file}.next`, file);
}

/** Those with this in their name; all when empty. */
export function faultsCalled(text: string): readonly Fault[] {
  return allFaults.filter(({ kind }) => kind.includes(text));
}

/** One after the other, now and then two at a time, until the time is up. What could not be applied or healed is thrown. */
export async function unleash(options: {
  stage: Stage;
  random: Random;
  untilMs: number;
  /** Of which one is picked each time; not empty. */
  possible: readonly Fault[];
  onFault: (kind: string) => void;
}): Promise<void> {
  const { stage, random, untilMs, possible, onFault } = options;
  const leftMs = (): number => Math.max(0, untilMs - performance.now());
  const hold = (fromMs: number, toMs: number): Promise<void> =>
    delay(Math.min(random.integer(fromMs, toMs), leftMs()));
  const context: FaultContext = { stage, random, hold };
  while (leftMs() > 0) {
    await hold(200, 2_000);
    if (leftMs() === 0) return;
    const first = random.pick(possible);
    const others = possible.filter((fault) => !overlap(fault, first));
    const chosen = random.chance(0.25) && others.length > 0 ? [first, random.pick(others)] : [first];
    for (const { kind } of chosen) onFault(kind);
    // All to their ends, also when one has failed: nobody else would heal the other.
    const ended = await Promise.allSettled(chosen.map((fault) => fault.run(context)));
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }
}

function overlap(one: Fault, other: Fault): boolean {
  const places = new Set([other.on, other.alsoOn]);
  return places.has(one.on) || (one.alsoOn !== undefined && places.has(one.alsoOn));
}
