// Writes DER piece by piece, so that a test can also write what no library would.

export const oids = {
  commonName: '2.5.4.3',
  emailAddress: '1.2.840.113549.1.9.1',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  deltaIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  distributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  inhibitAnyPolicy: '2.5.29.54',
  anyExtendedKeyUsage: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  netscapeType: '2.16.840.1.113730.1.1',
} as const;

/** One element: tag, shortest length, content. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

export const sequence = (...contents: readonly Uint8Array[]) => der(0x30, ...contents);
export const set = (...contents: readonly Uint8Array[]) => der(0x31, ...contents);
export const octetString = (...contents: readonly Uint8Array[]) => der(0x04, ...contents);
/** Whole bytes. */
export const bitString = (content: Uint8Array) => der(0x03, Buffer.of(0), content);
export const boolean = (value: boolean) => der(0x01, Buffer.of(value ? 0xff : 0));
export const nothing = der(0x05);
export const text = (value: string, tag = 0x0c) =>
  der(tag, Buffer.from(value, tag === 0x0c ? 'utf8' : 'latin1'));
/** A context tag around whole elements. */
export const explicit = (number: number, ...contents: readonly Uint8Array[]) =>
  der(0xa0 + number, ...contents);
/** A context tag instead of a primitive one. */
export const implicit = (number: number, content: Uint8Array) => der(0x80 + number, content);

export function integer(value: number | Uint8Array): Buffer {
  if (typeof value !== 'number') return der(0x02, value);
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
  return der(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** Named bits as KeyUsage has them, bit 0 first. */
export function namedBits(...bits: readonly number[]): Buffer {
  const highest = Math.max(...bits);
  const bytes = Buffer.alloc(Math.floor(highest / 8) + 1);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return der(0x03, Buffer.of(7 - (highest & 7)), bytes);
}

/** UTCTime up to 2049, GeneralizedTime after. */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+Z/g, '');
  return at.getUTCFullYear() < 2050 ? text(`${digits.slice(2)}Z`, 0x17) : text(`${digits}Z`, 0x18);
}

/** A name of one attribute for each part. */
export function distinguishedName(
  ...parts: readonly (readonly [type: string, value: string, tag?: number])[]
): Buffer {
  return sequence(
    ...parts.map(([type, value, tag]) => set(sequence(objectIdentifier(type), text(value, tag)))),
  );
}

export function extension(
  type: string,
  { critical = false, value }: { critical?: boolean; value: Uint8Array },
): Buffer {
  return sequence(objectIdentifier(type), ...(critical ? [boolean(true)] : []), octetString(value));
}

/** GeneralName from `dns:`, `email:`, `uri:`, or `ip:` with hex bytes. */
export function generalName(name: string): Buffer {
  const kind = name.slice(0, name.indexOf(':'));
  const value = name.slice(kind.length + 1);
  if (kind === 'ip') return implicit(7, Buffer.from(value, 'hex'));
  const numbers: Readonly<Record<string, number>> = { email: 1, dns: 2, uri: 6 };
  const number = numbers[kind];
  if (number === undefined) throw new Error(`no general name: ${name}`);
  return implicit(number, Buffer.from(value, 'latin1'));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >> 7; rest > 0; rest >>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>= 8) bytes.unshift(rest & 0xff);
  return [0x80 + bytes.length, ...bytes];
}
