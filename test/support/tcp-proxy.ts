// The way to a server as something one can break: cut it, freeze it without closing anything, slow it, mend it.
// For tests and the demo; bytes are passed on unread.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from './engines-processes.ts';

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Ends all connections and refuses new ones, as an unplugged server does. */
  cut(): void;
  /** Keeps connections and accepts new ones, but nothing passes: half-open, as behind a firewall that forgot us. */
  freeze(): void;
  /** Only what is open now: a firewall that dropped its table, through which new connections pass. */
  freezeOpen(): void;
  /** Passes again; what arrived while frozen is passed first. */
  restore(): Promise<void>;
  /** Every chunk waits this long in each direction; 0 = none. Order holds. */
  delay(ms: number): void;
  /** Open pairs of connections. */
  connections(): number;
  close(): Promise<void>;
}

interface TcpProxyOptions {
  /** Where it leads to. */
  readonly host?: string;
  readonly port: number;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
  frozen: boolean;
}

export async function startTcpProxy({
  host: targetHost = '127.0.0.1',
  port: targetPort,
}: TcpProxyOptions): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const held: (() => void)[] = [];
  const way = { frozen: false, delayMs: 0 };

  function relay(pair: Pair, { from, to }: { from: Socket; to: Socket }): void {
    from.on('data', (chunk) => {
      const pass = () => void (to.writable && to.write(chunk));
      if (way.frozen || pair.frozen) held.push(pass);
      else if (way.delayMs > 0) setTimeout(pass, way.delayMs);
      else pass();
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      if (way.frozen || pair.frozen) held.push(() => to.destroy());
      else to.destroy();
    });
  }

  const server = createServer((client) => {
    // Accepted by the kernel before the cut, handed out after it.
    if (!server.listening) {
      client.resetAndDestroy();
      return;
    }
    const target = connect({ host: targetHost, port: targetPort });
    const pair = { client, target, frozen: false };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    relay(pair, { from: client, to: target });
    relay(pair, { from: target, to: client });
  });

  async function listen(port: number): Promise<number> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return address.port;
  }

  function cut(): void {
    way.frozen = false;
    held.length = 0;
    if (server.listening) server.close();
    for (const { client, target } of pairs) {
      client.resetAndDestroy();
      target.destroy();
    }
  }

  const port = await listen(await freePort());
  return {
    host: '127.0.0.1',
    port,
    cut,
    freeze() {
      way.frozen = true;
    },
    freezeOpen() {
      for (const pair of pairs) pair.frozen = true;
    },
    async restore() {
      way.frozen = false;
      for (const pair of pairs) pair.frozen = false;
      for (const pass of held.splice(0)) pass();
      if (!server.listening) await listen(port);
    },
    delay(ms) {
      way.delayMs = ms;
    },
    connections: () => pairs.size,
    async close() {
      if (!server.listening) return cut();
      const closed = once(server, 'close');
      cut();
      await closed;
    },
  };
}
