// A TCP load balancer in front of the receivers: connections in turn, past those that do not accept. Reads no byte.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Balancer {
  readonly port: number;
  /** Ends every open connection in its middle. */
  reset(): void;
  close(): Promise<void>;
}

/** `ports` is asked at each connection, as a receiver may come back under another one. */
export async function startBalancer(ports: () => readonly number[]): Promise<Balancer> {
  const open = new Set<Socket>();
  const targets = new Set<Socket>();
  let turn = 0;
  const server = createServer((client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    client.on('error', () => undefined);
    const all = ports();
    turn += 1;
    const inTurn = all.map((_, index) => all[(turn + index) % all.length] ?? 0);
    passOn(client, { ports: inTurn, targets });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the balancer has no port');
  const reset = (): void => {
    for (const client of open) client.resetAndDestroy();
  };
  return {
    port: address.port,
    reset,
    async close() {
      const closed = once(server, 'close');
      server.close();
      reset();
      for (const target of targets) target.destroy();
      await closed;
    },
  };
}

/** The first target that accepts; none: the client is sent away. No target outlives its client. */
function passOn(
  client: Socket,
  way: { readonly ports: readonly number[]; readonly targets: Set<Socket> },
): void {
  const { targets } = way;
  const [port, ...ports] = way.ports;
  if (port === undefined) return void client.resetAndDestroy();
  const target = connect({ host: '127.0.0.1', port });
  targets.add(target);
  target.once('close', () => targets.delete(target));
  client.once('close', () => target.destroy());
  const refused = (): void => {
    if (client.destroyed) return void target.destroy();
    passOn(client, { ports, targets });
  };
  target.once('error', refused);
  target.once('connect', () => {
    if (client.destroyed) return void target.destroy();
    target.off('error', refused);
    target.on('error', () => client.destroy());
    target.once('close', () => client.destroy());
    client.pipe(target).pipe(client);
  });
}
