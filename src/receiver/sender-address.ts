// Where the sender behind a connection is, as log lines name it: what a load balancer conveyed, else the peer of TCP.
// Never asked by anything that trusts: whoever is believed is told by the TCP peer's own address.
import { Socket, SocketAddress, isIPv6 } from 'node:net';

/** By the socket of TCP, whatever is spoken over it. */
const conveyed = new WeakMap<Socket, string>();

/** The connection of TCP below a TLS socket; the socket itself where there is no TLS. */
export function tcpSocketOf(socket: Socket): Socket {
  // Not documented, but as old as TLS sockets around others; without it no handshake would be let in: verified-peers.ts.
  const below: unknown = Reflect.get(socket, '_parent');
  return below instanceof Socket ? below : socket;
}

export function conveyAddress(socket: Socket, address: string): void {
  conveyed.set(socket, address);
}

/** undefined when the sender was gone before anybody asked. */
export function sourceOf(socket: Socket): string | undefined {
  const below = tcpSocketOf(socket);
  return conveyed.get(below) ?? below.remoteAddress;
}

/** What one sender has to itself: an IPv4 address, or the 64 bits of network in front of an IPv6 address. */
export function senderNetwork(address: string): string {
  if (!isIPv6(address)) return address;
  const { address: shortest } = new SocketAddress({ address, family: 'ipv6' });
  const mapped = /^::ffff:([\d.]+)$/.exec(shortest)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = shortest.split('::');
  const groups = head === '' ? [] : head.split(':');
  const behind = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - behind.length) }, () => '0');
  return `${[...groups, ...zeros, ...behind].slice(0, 4).join(':')}::/64`;
}
