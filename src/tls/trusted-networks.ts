// Is this address in one of the networks whose word counts? No address, or one we cannot read, is in none of them.
// Never throws for an address; a network that is none throws at creation, so that a slip of the pen opens no door.
import { BlockList, SocketAddress, isIPv4, isIPv6 } from 'node:net';

export interface TrustedNetworks {
  /** `address` as a socket gives it: an IPv4 address that is mapped into IPv6 counts as itself, a zone does not count. */
  includes(address: string | undefined): boolean;
}

/** `cidrs` such as `10.0.0.0/8` or `fd00::/8`; none of them: nobody is trusted. Throws RangeError for anything else. */
export function createTrustedNetworks(cidrs: readonly string[]): TrustedNetworks {
  // Apart, because a BlockList takes ::/0 for every IPv4 address too, and 0.0.0.0/0 for every mapped one.
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const cidr of cidrs) {
    const { family, address, prefix } = readNetwork(cidr);
    // Throws the RangeError for a prefix that is too long, too.
    lists[family].addSubnet(address, prefix, family);
  }
  return {
    includes(text) {
      const found = readAddress(text ?? '');
      return found !== null && lists[found.family].check(found.address, found.family);
    },
  };
}

interface Address {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
}

/** Bits in front of an IPv4 address that is mapped into IPv6 (RFC 4291, 2.5.5.2). */
const mappedPrefix = 96;

function readNetwork(cidr: string): Address & { readonly prefix: number } {
  const [, base = '', digits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(cidr) ?? [];
  const found = readAddress(base);
  if (found === null) throw new RangeError('a network is an address, a slash and the length of its prefix');
  const isMapped = found.family === 'ipv4' && base.includes(':');
  return { ...found, prefix: Number(digits) - (isMapped ? mappedPrefix : 0) };
}

function readAddress(text: string): Address | null {
  if (isIPv4(text)) return { family: 'ipv4', address: text };
  if (!isIPv6(text)) return null;
  // Node's own spelling: lower case, shortest, dotted where it is mapped, no zone.
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const mapped = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : '';
  return isIPv4(mapped) ? { family: 'ipv4', address: mapped } : { family: 'ipv6', address };
}
