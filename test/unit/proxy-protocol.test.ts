// The PROXY header, byte by byte: what is one, what is none, and that nothing behind it is touched.
import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readProxyHeader } from '../../src/tls/proxy-protocol.ts';
import { binaryHeader, headerV1, headerV2, signature, tlv } from '../support/proxy-headers.ts';

const text = (line: string) => Buffer.from(line, 'latin1');
const ipv4 = { address: '203.0.113.7', port: 41_234 };
const ipv6 = { address: '2001:db8::7', port: 41_234 };
const tlvs = Buffer.concat([tlv(0xea, Buffer.from('\x01vpce-0123')), tlv(0x04, Buffer.alloc(40))]);

describe('a header is read', () => {
  it.each([
    ['version 1, IPv4', headerV1(ipv4), ipv4],
    ['version 1, IPv6', headerV1(ipv6), ipv6],
    ['version 1, IPv6 in another spelling', text('PROXY TCP6 2001:0DB8:0::7 ::1 41234 1\r\n'), ipv6],
    ['version 1, port 0', text('PROXY TCP4 203.0.113.7 10.0.0.1 0 0\r\n'), { ...ipv4, port: 0 }],
    ['version 1, UNKNOWN', text('PROXY UNKNOWN\r\n'), null],
    ['version 1, UNKNOWN with something behind', text('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), null],
    ['version 1, UNKNOWN of 107 bytes', text(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), null],
    ['version 2, IPv4', headerV2(ipv4), ipv4],
    ['version 2, IPv6', headerV2(ipv6), ipv6],
    ['version 2, IPv4 with TLVs', headerV2(ipv4, tlvs), ipv4],
    ['version 2, IPv6 with TLVs', headerV2(ipv6, tlvs), ipv6],
    ['version 2, TLVs that are none', headerV2(ipv4, Buffer.from([0xff])), ipv4],
    ['version 2, 536 bytes of it', headerV2(ipv4, Buffer.alloc(524)), ipv4],
    ['version 2, LOCAL', binaryHeader({ command: 0x20, family: 0, payload: Buffer.alloc(0) }), null],
    ['version 2, LOCAL with an address', binaryHeader({ command: 0x20, payload: Buffer.alloc(12) }), null],
    ['version 2, of no known family', binaryHeader({ family: 0, payload: Buffer.alloc(7) }), null],
    ['version 2, of a socket of UNIX', binaryHeader({ family: 0x31, payload: Buffer.alloc(216) }), null],
  ])('%s', (_name, header, source) => {
    expect(readProxyHeader(header)).toEqual({ kind: 'header', length: header.length, source });
  });
});

describe('what is no header is refused', () => {
  const line = (rest: string) => text(`PROXY ${rest}\r\n`);
  it.each([
    ['a request of HTTP', text('POST /webhooks/lean HTTP/1.1\r\n')],
    ['a ClientHello', Buffer.from('16030102000100', 'hex')],
    ['another case', text('proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n')],
    ['another protocol', line('UDP4 1.2.3.4 5.6.7.8 1 2')],
    ['UNKNOWN run together', line('UNKNOWNTCP4')],
    ['two spaces', line('TCP4  1.2.3.4 5.6.7.8 1 2')],
    ['a space at the end', line('TCP4 1.2.3.4 5.6.7.8 1 2 ')],
    ['a tab', line('TCP4 1.2.3.4\t5.6.7.8 1 2')],
    ['too few fields', line('TCP4 1.2.3.4 5.6.7.8 1')],
    ['too many fields', line('TCP4 1.2.3.4 5.6.7.8 1 2 3')],
    ['no fields', line('TCP4')],
    ['an IPv6 address under TCP4', line('TCP4 ::1 5.6.7.8 1 2')],
    ['an IPv4 address under TCP6', line('TCP6 ::1 5.6.7.8 1 2')],
    ['an address with a zone', line('TCP6 fe80::1%eth0 ::1 1 2')],
    ['an octet of 256', line('TCP4 1.2.3.256 5.6.7.8 1 2')],
    ['an octet with a leading zero', line('TCP4 01.2.3.4 5.6.7.8 1 2')],
    ['a name instead of an address', line('TCP4 localhost 5.6.7.8 1 2')],
    ['a port of 65536', line('TCP4 1.2.3.4 5.6.7.8 65536 2')],
    ['a port with a leading zero', line('TCP4 1.2.3.4 5.6.7.8 01 2')],
    ['a port with a sign', line('TCP4 1.2.3.4 5.6.7.8 +1 2')],
    ['a bare LF', text('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n')],
    ['a bare CR', text('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX')],
    ['NUL', text('PROXY UNKNOWN \0\r\n')],
    ['no end within 107 bytes', text(`PROXY UNKNOWN ${'x'.repeat(93)}`)],
    ['an end in bytes 107 and 108', text(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)],
    [
      'a signature with one bit changed',
      Buffer.from(headerV2(ipv4).map((byte, at) => (at === 4 ? 1 : byte))),
    ],
    ['version 1 in binary', binaryHeader({ command: 0x11, payload: Buffer.alloc(12) })],
    ['version 3', binaryHeader({ command: 0x31, payload: Buffer.alloc(12) })],
    ['an unknown command', binaryHeader({ command: 0x22, payload: Buffer.alloc(12) })],
    ['an unknown family', binaryHeader({ family: 0x41, payload: Buffer.alloc(12) })],
    ['datagrams', binaryHeader({ family: 0x12, payload: Buffer.alloc(12) })],
    ['addresses cut short, IPv4', binaryHeader({ payload: Buffer.alloc(11) })],
    ['addresses cut short, IPv6', binaryHeader({ family: 0x21, payload: Buffer.alloc(35) })],
    ['addresses cut short, UNIX', binaryHeader({ family: 0x31, payload: Buffer.alloc(215) })],
    ['537 bytes', binaryHeader({ payload: Buffer.alloc(537) })],
    ['65,535 bytes, before they are here', binaryHeader({ payload: Buffer.alloc(0), length: 65_535 })],
  ])('%s', (_name, bytes) => {
    expect(readProxyHeader(bytes)).toEqual({ kind: 'invalid' });
  });
});

const port = fc.integer({ min: 0, max: 65_535 });
const conveyed = fc.oneof(
  fc.record({ address: fc.ipV4(), port }),
  fc.record({ address: fc.constantFrom('2001:db8::7', '::1', 'fe80::1:2', '1:2:3:4:5:6:7:8'), port }),
);
const validHeader = fc.oneof(
  conveyed.map(headerV1),
  fc.tuple(conveyed, fc.uint8Array({ maxLength: 500 })).map(([source, extra]) => headerV2(source, extra)),
  fc.constantFrom(text('PROXY UNKNOWN\r\n'), binaryHeader({ command: 0x20, payload: Buffer.alloc(3) })),
);
/** Bytes that look like a header for a while. */
const almost = fc.oneof(
  fc.uint8Array({ maxLength: 700 }),
  fc.uint8Array({ maxLength: 700 }).map((rest) => Buffer.concat([signature, rest])),
  fc
    .uint8Array({ maxLength: 20 })
    .map((rest) => Buffer.concat([signature, Buffer.from([0x21, 0x11, 0]), rest])),
  fc.stringMatching(/^PROXY (TCP[46] )?[0-9a-f.: ]{0,110}\r?\n?$/).map(text),
);

describe('whatever comes', () => {
  it('every beginning of a header waits for more, and the whole gives the address that went in', () => {
    fc.assert(
      fc.property(conveyed, fc.boolean(), (source, binary) => {
        const header = binary ? headerV2(source) : headerV1(source);
        for (let length = 0; length < header.length; length += 1)
          expect(readProxyHeader(header.subarray(0, length))).toEqual({ kind: 'incomplete' });
        expect(readProxyHeader(header)).toEqual({ kind: 'header', length: header.length, source });
      }),
    );
  });

  it('what follows a header changes nothing about it', () => {
    fc.assert(
      fc.property(validHeader, fc.uint8Array({ maxLength: 2_000 }), (header, rest) => {
        expect(readProxyHeader(Buffer.concat([header, rest]))).toEqual(readProxyHeader(header));
      }),
    );
  });

  it('nothing makes it throw, and a verdict once given stands however much more arrives', () => {
    const holds = fc.property(almost, fc.uint8Array({ maxLength: 600 }), fc.nat(), (bytes, rest, at) => {
      const first = readProxyHeader(bytes.subarray(0, at % (bytes.length + 1)));
      const then = readProxyHeader(Buffer.concat([bytes, rest]));
      const stands = first.kind === 'incomplete' || isDeepStrictEqual(first, then);
      return stands && (then.kind !== 'header' || then.length <= bytes.length + rest.length);
    });
    expect(fc.check(holds, { numRuns: 2_000 })).toMatchObject({ failed: false });
  });

  it('reads bytes that lie in the middle of a larger buffer', () => {
    const inside = Buffer.concat([Buffer.from('before'), headerV2(ipv4), Buffer.from('behind')]);
    const view = new Uint8Array(inside.buffer, inside.byteOffset + 6, headerV2(ipv4).length);
    expect(readProxyHeader(view)).toEqual({ kind: 'header', length: 28, source: ipv4 });
  });
});
