// Real HAProxy that passes TCP through, with the README's configuration: TLS ends in the receiver, and the PROXY header
// says where a caller is and nothing about who it is.
import https from 'node:https';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTrustedNetworks } from '../../src/tls/trusted-networks.ts';
import { findBalancer, startBalancer, type BalancerOptions } from '../support/balancers.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/lean-sender.ts';
import { testPki, type Pki } from '../support/pki.ts';
import { fromLean, startTestServer, type TestServer } from '../support/receiver-server.ts';

let pki: Pki;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  pki = await testPki();
});
beforeEach((context) =>
  context.skip(findBalancer('haproxy-tcp') === undefined, 'haproxy is not on this machine'),
);
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: { trusted: readonly string[] | null; changes?: BalancerOptions['changes'] }) {
  const { trusted, changes = [] } = options;
  const proxies = createTrustedNetworks(trusted ?? []);
  const receiver = await startTestServer({
    mode: 'certificate+signature',
    pki,
    proxyProtocol: trusted && { isTrusted: (address) => proxies.includes(address) },
  });
  closers.push(() => receiver.close());
  const receiverPort = Number(new URL(receiver.url).port);
  const balancer = await startBalancer({ kind: 'haproxy-tcp', pki, receiverPort, changes });
  closers.push(() => balancer.close());
  return { receiver, balancer };
}

const lastDelivery = ({ lines }: TestServer) => lines.findLast(({ msg }) => msg === 'delivery');

describe.each<[string, BalancerOptions['changes']]>([
  ['v2, as in the README', []],
  ['v1', [['send-proxy-v2', 'send-proxy']]],
])('with a PROXY header %s', (_version, changes) => {
  it('lets Lean in and logs where it called from', async (context) => {
    context.skip(process.platform !== 'linux', 'needs a second address on loopback');
    const { receiver, balancer } = await start({ trusted: ['127.0.0.1/32'], changes });
    const agent = new https.Agent({ localAddress: '127.0.0.3' });
    expect(await send(fromLean(balancer, pki, { agent }))).toMatchObject({ status: 200 });
    expect(receiver.kept).toHaveLength(1);
    await eventually(() => expect(lastDelivery(receiver)).toMatchObject({ remote_address: '127.0.0.3' }));
  });

  it('judges the certificate in the receiver', async () => {
    const { receiver, balancer } = await start({ trusted: ['127.0.0.1/32'], changes });
    expect(await send(fromLean(balancer, pki, { identity: pki.otherCustomer }))).toMatchObject({
      status: 403,
    });
    for (const identity of [pki.rogue, undefined])
      await expect(send(fromLean(balancer, pki, { identity }))).rejects.toThrow(/./);
    expect(receiver.kept).toEqual([]);
  });

  it('lets nobody through a load balancer that is not on the list', async () => {
    const { receiver, balancer } = await start({ trusted: ['10.0.0.5/32'], changes });
    await expect(send(fromLean(balancer, pki))).rejects.toThrow(/./);
    expect(receiver.kept).toEqual([]);
  });
});

it('refuses a connection past the load balancer, which has no PROXY header', async () => {
  const { receiver } = await start({ trusted: ['127.0.0.1/32'] });
  await expect(send(fromLean(receiver, pki))).rejects.toThrow(/./);
  expect(receiver.kept).toEqual([]);
});

it('refuses a PROXY header while PROXY_PROTOCOL is off', async () => {
  const { receiver, balancer } = await start({ trusted: null });
  await expect(send(fromLean(balancer, pki))).rejects.toThrow(/./);
  expect(receiver.kept).toEqual([]);
});

it('needs no PROXY header with PROXY_PROTOCOL off', async () => {
  const { receiver, balancer } = await start({ trusted: null, changes: [[' send-proxy-v2', '']] });
  expect(await send(fromLean(balancer, pki))).toMatchObject({ status: 200 });
  expect(receiver.kept).toHaveLength(1);
});

it('takes a health check of the load balancer for no delivery and goes on', async () => {
  const { receiver, balancer } = await start({ trusted: ['127.0.0.1/32'] });
  const probe = net.connect(Number(new URL(receiver.url).port), '127.0.0.1');
  await once(probe, 'connect');
  probe.destroy();
  expect(await send(fromLean(balancer, pki))).toMatchObject({ status: 200 });
  expect(receiver.kept).toHaveLength(1);
});
