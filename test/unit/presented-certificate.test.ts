// Where a presented certificate is looked for, what of it is remembered, and that an untrusted word is never read.
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { beforeAll, expect, it } from 'vitest';
import {
  createForwardedSource,
  createSocketSource,
  type PresentationSource,
} from '../../src/tls/presented-certificate.ts';
import { certificatesOf, forwardedLines } from '../support/forwarded-headers.ts';
import { testPki, type Identity, type Pki } from '../support/pki.ts';

let pki: Pki;
let lean: Identity;
beforeAll(async () => {
  pki = await testPki();
  lean = pki.lean.webhookClient;
});

const socketOf = (address: string) =>
  Object.defineProperty(new Socket(), 'remoteAddress', { value: address });
const proxy = socketOf('10.0.0.1');
const stranger = socketOf('192.0.2.1');

function haproxySource(): PresentationSource {
  return createForwardedSource({
    format: 'haproxy',
    proxies: { includes: (address) => address === '10.0.0.1' },
  });
}

const linesOf = (client: Parameters<typeof forwardedLines>[1]) => forwardedLines('haproxy', client).flat();

it('a text that was read before is not read again', () => {
  const source = haproxySource();
  const first = source({ socket: proxy, rawHeaders: linesOf(lean) });
  expect(first).toMatchObject({ kind: 'presented', presented: certificatesOf(lean) });
  expect(source({ socket: proxy, rawHeaders: ['Host', 'x', ...linesOf(lean), 'A', 'b'] })).toBe(first);
  expect(source({ socket: proxy, rawHeaders: linesOf(pki.otherCustomer) })).not.toEqual(first);
});

it('the texts remembered are few, those that came last', () => {
  const source = haproxySource();
  const { leafDer, intermediatesDer } = certificatesOf(lean);
  const first = source({ socket: proxy, rawHeaders: linesOf(lean) });
  const again = source({ socket: proxy, rawHeaders: linesOf(pki.otherCustomer) });
  // Every number of bits of its own: the leaf for a one, the intermediate for a zero.
  const others = Array.from({ length: 63 }, (_, number) => {
    const bits = Array.from({ length: 6 }, (__, bit) => (number >> bit) & 1);
    const chain = bits.flatMap((bit) => (bit === 1 ? [leafDer] : intermediatesDer));
    return { leafDer, intermediatesDer: chain };
  });
  for (const other of others.slice(0, 62)) source({ socket: proxy, rawHeaders: linesOf(other) });
  expect(source({ socket: proxy, rawHeaders: linesOf(pki.otherCustomer) })).toBe(again);
  for (const other of others.slice(62)) source({ socket: proxy, rawHeaders: linesOf(other) });
  const later = source({ socket: proxy, rawHeaders: linesOf(lean) });
  expect(later).toEqual(first);
  expect(later).not.toBe(first);
});

it('a remembered text is believed of the proxy and of nobody else', () => {
  const source = haproxySource();
  expect(source({ socket: proxy, rawHeaders: linesOf(lean) })).toMatchObject({ kind: 'presented' });
  const refused = { kind: 'unreadable', reason: 'PROXY_NOT_TRUSTED' };
  expect(source({ socket: stranger, rawHeaders: linesOf(lean) })).toEqual(refused);
  expect(source({ socket: new Socket(), rawHeaders: linesOf(lean) })).toEqual(refused);
  expect(source({ socket: stranger, rawHeaders: ['Host', 'x'] })).toEqual({ kind: 'absent' });
});

it('one line and the same twice are two texts', () => {
  const source = haproxySource();
  const lines = linesOf(lean);
  expect(source({ socket: proxy, rawHeaders: lines })).toMatchObject({ kind: 'presented' });
  expect(source({ socket: proxy, rawHeaders: [...lines, ...lines] })).toEqual({
    kind: 'unreadable',
    reason: 'HEADER_REPEATED',
  });
});

it('a connection without TLS presents nothing, whatever its header says', () => {
  const source = createSocketSource();
  expect(source({ socket: proxy, rawHeaders: linesOf(lean) })).toEqual({ kind: 'absent' });
});

it('a chain that came over another connection is not taken apart again, and one that differs in a certificate is', () => {
  const source = createSocketSource();
  const over = (leafDer: Uint8Array, issuers: readonly Uint8Array[]) => {
    const chain = [leafDer, ...issuers].reduceRight<object | undefined>(
      (issuerCertificate, raw) => ({ raw: Uint8Array.from(raw), issuerCertificate }),
      undefined,
    );
    const socket = Object.defineProperty(new TLSSocket(new Socket()), 'getPeerX509Certificate', {
      value: () => chain,
    });
    return source({ socket, rawHeaders: [] });
  };
  const { leafDer, intermediatesDer } = certificatesOf(lean);
  const first = over(leafDer, intermediatesDer);
  expect(first).toMatchObject({ kind: 'presented', presented: { identity: { names: { uri: [] } } } });
  expect(over(leafDer, intermediatesDer)).toBe(first);
  expect(over(leafDer, [])).not.toEqual(first);
  expect(over(certificatesOf(pki.otherCustomer).leafDer, intermediatesDer)).not.toEqual(first);
});
