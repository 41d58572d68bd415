// deploy/haproxy.cfg and deploy/nginx.conf as they stand there, checked and run by the real programs in front of two
// receivers: one that says it is not ready, or that is gone, gets nothing, and no delivery notices.
import { readFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createReadiness } from '../../src/observability/readiness.ts';
import { startOpsListener } from '../../src/operations/ops-listener.ts';
import { createTrustedNetworks } from '../../src/tls/trusted-networks.ts';
import {
  findBalancer,
  readmeConfiguration,
  readmeText,
  startBalancer,
  type Balancer,
} from '../support/balancers.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/lean-sender.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { root } from '../support/processes.ts';
import { anchorsOf, fromLean, startTestServer, type TestServer } from '../support/receiver-server.ts';

let pki: Pki;
const closers: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  pki = await testPki();
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const haproxy = readFileSync(path.join(root, 'deploy/haproxy.cfg'), 'utf8');
const nginx = readFileSync(path.join(root, 'deploy/nginx.conf'), 'utf8');

async function startOne() {
  const proxies = createTrustedNetworks(['127.0.0.1/32']);
  const receiver = await startTestServer({
    mode: 'certificate+signature',
    pki,
    proxyProtocol: { isTrusted: (address) => proxies.includes(address) },
  });
  closers.push(() => receiver.close());
  const readiness = createReadiness();
  let ok = true;
  readiness.register('started', () => ({ ok }));
  const metrics = createMetrics({ processMetrics: false });
  const ops = await startOpsListener({ host: '127.0.0.1', port: 0, readiness, metrics });
  closers.push(() => ops.close());
  return {
    receiver,
    opsPort: new URL(ops.url).port,
    setReady(isReady: boolean) {
      ok = isReady;
    },
  };
}

const portOf = ({ url }: { readonly url: string }): number => Number(new URL(url).port);

async function throughHaproxy() {
  const [first, second] = [await startOne(), await startOne()];
  const [one, two] = [portOf(first.receiver), portOf(second.receiver)];
  const balancer = await startBalancer({
    kind: 'haproxy-tcp',
    pki,
    receiverPort: one,
    configuration: haproxy,
    changes: [
      [`127.0.0.1:${one} check port 9464`, `127.0.0.1:${one} check port ${first.opsPort}`],
      ['10.0.0.21:8443 check port 9464', `127.0.0.1:${two} check port ${second.opsPort}`],
      ['inter 1s', 'inter 50ms'],
    ],
  });
  closers.push(() => balancer.close());
  return { first, second, balancer };
}

/** Each over a connection of its own. */
async function deliver(balancer: Balancer, count = 1): Promise<number[]> {
  const statuses: number[] = [];
  for (let sent = 0; sent < count; sent += 1) {
    const agent = new https.Agent({ keepAlive: false });
    statuses.push((await send(fromLean(balancer, pki, { agent }))).status);
    agent.destroy();
  }
  return statuses;
}

const kept = (...receivers: readonly TestServer[]) => receivers.map((receiver) => receiver.kept.length);

describe('deploy/haproxy.cfg', () => {
  it('is what the README shows', () => {
    expect(readmeText()).toContain(`<!-- deploy/haproxy.cfg -->\n\`\`\`\n${haproxy}\`\`\`\n`);
  });

  it('gives both receivers work, and none to one that is not ready or gone', async (context) => {
    context.skip(findBalancer('haproxy-tcp') === undefined, 'haproxy is not on this machine');
    const { first, second, balancer } = await throughHaproxy();
    await eventually(async () => {
      expect(await deliver(balancer, 2)).toEqual([200, 200]);
      for (const count of kept(first.receiver, second.receiver)) expect(count).toBeGreaterThan(0);
    });

    first.setReady(false);
    await eventually(async () => {
      const [before] = kept(first.receiver);
      expect(await deliver(balancer, 4)).toEqual([200, 200, 200, 200]);
      expect(kept(first.receiver)).toEqual([before]);
    });

    first.setReady(true);
    await eventually(async () => {
      const [before = 0] = kept(first.receiver);
      expect(await deliver(balancer, 2)).toEqual([200, 200]);
      expect(first.receiver.kept.length).toBeGreaterThan(before);
    });

    // Refused before the check has noticed: the connection goes to the other one.
    await second.receiver.close();
    expect(await deliver(balancer, 4)).toEqual([200, 200, 200, 200]);
  });
});

const serverOf = (text: string) => text.slice(text.indexOf('\nserver {'));

describe('deploy/nginx.conf', () => {
  it('has the server that the README shows', () => {
    expect(serverOf(nginx)).toBe(serverOf(readmeConfiguration('nginx')));
  });

  it('sends what one receiver does not take to the other', async (context) => {
    context.skip(findBalancer('nginx') === undefined, 'nginx is not on this machine');
    const forwarded = {
      format: 'nginx',
      clients: { anchors: anchorsOf(pki.leanChainPem), crls: null },
    } as const;
    const [first, second] = await Promise.all(
      [1, 2].map(() => startTestServer({ mode: 'certificate+signature', pki: null, forwarded })),
    );
    if (first === undefined || second === undefined) throw new Error('two receivers were asked for');
    closers.push(
      () => first.close(),
      () => second.close(),
    );
    const balancer = await startBalancer({
      kind: 'nginx',
      pki,
      receiverPort: portOf(first),
      configuration: nginx,
      changes: [['10.0.0.21:8443', `127.0.0.1:${portOf(second)}`]],
    });
    closers.push(() => balancer.close());
    expect(await deliver(balancer, 4)).toEqual([200, 200, 200, 200]);
    expect(kept(first, second)).toEqual([2, 2]);
    await first.close();
    expect(await deliver(balancer, 4)).toEqual([200, 200, 200, 200]);
    expect(kept(first, second)).toEqual([2, 6]);
  });
});
