// Whose word counts: the addresses of the networks that were named, in whatever way a socket spells them, and no others.
import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTrustedNetworks } from '../../src/tls/trusted-networks.ts';

const includes = (cidrs: string[], address: string | undefined) =>
  createTrustedNetworks(cidrs).includes(address);

it.each<[string, string[], string | undefined]>([
  ['an address inside', ['10.0.0.0/8'], '10.255.255.255'],
  ['the first address', ['10.0.0.0/8'], '10.0.0.0'],
  ['an address inside, though the network is written with bits of a host', ['10.1.2.3/8'], '10.200.0.1'],
  ['one address by itself', ['192.0.2.1/32'], '192.0.2.1'],
  ['an address of the second network', ['192.0.2.0/24', '10.0.0.0/8'], '10.0.0.1'],
  ['an IPv6 address inside', ['fd00::/8'], 'fdff::1'],
  ['an IPv6 address with a zone', ['fe80::/10'], 'fe80::1%eth0'],
  ['an IPv6 address in capitals and long form', ['2001:db8::/32'], '2001:0DB8:0000:0000:0000:0000:0000:0001'],
  ['an IPv4 address mapped into IPv6', ['10.0.0.0/8'], '::ffff:10.0.0.1'],
  ['an IPv4 address mapped into IPv6, in hex', ['10.0.0.0/8'], '::ffff:a00:1'],
  ['an IPv4 address mapped into IPv6, long and in capitals', ['10.0.0.0/8'], '0:0:0:0:0:FFFF:0a00:0001'],
  ['an IPv4 address, when its network is written mapped', ['::ffff:10.0.0.0/104'], '10.1.2.3'],
  ['every IPv4 address of 0.0.0.0/0', ['0.0.0.0/0'], '203.0.113.9'],
])('%s is trusted', (_name, cidrs, address) => {
  expect(includes(cidrs, address)).toBe(true);
});

it.each<[string, string[], string | undefined]>([
  ['an address when no network is named', [], '127.0.0.1'],
  ['an address just behind the network', ['10.0.0.0/8'], '11.0.0.0'],
  ['an address just in front of it', ['10.0.0.0/8'], '9.255.255.255'],
  ['the neighbour of one address', ['192.0.2.1/32'], '192.0.2.2'],
  ['an IPv6 address outside', ['fd00::/8'], 'fe00::1'],
  ['an IPv4 address under ::/0, which names IPv6 only', ['::/0'], '10.0.0.1'],
  ['a mapped IPv4 address under ::/0', ['::/0'], '::ffff:10.0.0.1'],
  ['an IPv6 address under 0.0.0.0/0', ['0.0.0.0/0'], 'fd00::1'],
  ['an address of old that only looks mapped', ['10.0.0.0/8'], '::10.0.0.1'],
  ['an address behind a translator', ['10.0.0.0/8'], '64:ff9b::10.0.0.1'],
  ['the peer of a socket that is gone', ['0.0.0.0/0', '::/0'], undefined],
  ['an empty text', ['0.0.0.0/0', '::/0'], ''],
  ['a host name', ['0.0.0.0/0', '::/0'], 'localhost'],
  ['two addresses', ['0.0.0.0/0', '::/0'], '10.0.0.1, 10.0.0.2'],
  ['an address with a port', ['0.0.0.0/0', '::/0'], '10.0.0.1:443'],
  ['an address in octal', ['0.0.0.0/0', '::/0'], '010.0.0.1'],
  ['an address of three numbers', ['0.0.0.0/0', '::/0'], '10.0.1'],
])('%s is not trusted', (_name, cidrs, address) => {
  expect(includes(cidrs, address)).toBe(false);
});

it.each([
  '',
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '10.0.0/8',
  '/8',
  'fd00::/129',
  'proxy.example/32',
  '10.0.0.0/8 ',
  '::ffff:10.0.0.0/95',
  '::ffff:10.0.0.0/129',
])('the network %j is refused when the list is made', (cidr) => {
  expect(() => createTrustedNetworks(['10.0.0.0/8', cidr])).toThrow(RangeError);
});

/** An IPv4 address as one number. */
const bits = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

describe('for any address and network', () => {
  const network = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }));

  it('agrees with the addresses counted bit by bit, mapped or not', () => {
    fc.assert(
      fc.property(network, fc.ipV4(), fc.nat(), ([base, prefix], stranger, inside) => {
        const size = 2 ** (32 - prefix);
        const first = Math.floor(bits(base) / size) * size;
        const near = first + (inside % size);
        const neighbour = [24, 16, 8, 0].map((shift) => Math.floor(near / 2 ** shift) % 256).join('.');
        const trusted = createTrustedNetworks([`${base}/${prefix}`]);
        expect(trusted.includes(neighbour)).toBe(true);
        expect(trusted.includes(`::ffff:${neighbour}`)).toBe(true);
        const isInside = bits(stranger) >= first && bits(stranger) < first + size;
        expect(trusted.includes(stranger)).toBe(isInside);
        expect(trusted.includes(`::ffff:${stranger}`)).toBe(isInside);
      }),
    );
  });

  it("agrees with Node's own list on IPv6", () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 128 }), fc.ipV6(), (base, prefix, address) => {
        const isMapped = /^(0*:)*:?ffff:/i.test(base) || /^(0*:)*:?ffff:/i.test(address);
        fc.pre(!isMapped);
        const list = new BlockList();
        list.addSubnet(base, prefix, 'ipv6');
        expect(includes([`${base}/${prefix}`], address)).toBe(list.check(address, 'ipv6'));
      }),
    );
  });

  it('no text makes it throw', () => {
    const trusted = createTrustedNetworks(['10.0.0.0/8', 'fd00::/8']);
    const text = fc.oneof(fc.string({ maxLength: 60 }), fc.stringMatching(/^[0-9a-f:.%]{0,46}$/));
    fc.assert(
      fc.property(text, (address) => {
        expect(trusted.includes(address)).toBeTypeOf('boolean');
      }),
    );
  });
});
