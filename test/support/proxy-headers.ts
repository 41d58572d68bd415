// PROXY headers as load balancers write them, for tests.
import { isIPv4 } from 'node:net';

export const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

export interface Conveyed {
  readonly address: string;
  readonly port: number;
}

const target: Readonly<Record<4 | 6, Conveyed>> = {
  4: { address: '10.0.0.10', port: 8443 },
  6: { address: '2001:db8::10', port: 8443 },
};

export function headerV1({ address, port }: Conveyed): Buffer {
  const version = isIPv4(address) ? 4 : 6;
  const to = target[version];
  return Buffer.from(`PROXY TCP${version} ${address} ${to.address} ${port} ${to.port}\r\n`, 'latin1');
}

/** Any version 2 header, wrong ones included. */
export function binaryHeader(parts: {
  command?: number;
  family?: number;
  payload: Uint8Array;
  /** What the header says of the payload's length, when that is not the truth. */
  length?: number;
}): Buffer {
  const { command = 0x21, family = 0x11, payload, length = payload.length } = parts;
  const fixed = Buffer.from([command, family, length >> 8, length & 0xff]);
  return Buffer.concat([signature, fixed, payload]);
}

export function headerV2({ address, port }: Conveyed, tlvs: Uint8Array = new Uint8Array()): Buffer {
  const version = isIPv4(address) ? 4 : 6;
  const to = target[version];
  const ports = Buffer.from([port >> 8, port & 0xff, to.port >> 8, to.port & 0xff]);
  const payload = Buffer.concat([addressBytes(address), addressBytes(to.address), ports, tlvs]);
  return binaryHeader({ family: version === 4 ? 0x11 : 0x21, payload });
}

/** A type, two bytes of length, the value. */
export function tlv(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const all = [...left, ...(address.includes('::') ? zeros : []), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
