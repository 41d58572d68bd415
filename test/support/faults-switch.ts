// An address in front of servers of which one serves at a time, as a name or a load balancer in front of a primary and
// its replica. Turning it ends every connection. Reads no byte.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface ServerSwitch {
  readonly port: number;
  /** Ends what is open; from now on connections lead to this port of the loopback. */
  lead(port: number): void;
  close(): Promise<void>;
}

export async function startSwitch(firstPort: number): Promise<ServerSwitch> {
  const open = new Set<Socket>();
  let target = firstPort;
  const server = createServer((client) => {
    const way = connect({ host: '127.0.0.1', port: target });
    for (const [socket, other] of [
      [client, way],
      [way, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the switch has no port');
  const cut = () => open.forEach((socket) => socket.destroy());
  return {
    port: address.port,
    lead(port) {
      target = port;
      cut();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
