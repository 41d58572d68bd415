// Certificates and revocation lists written byte by byte: sound ones by default, and with any part replaced on wish.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import {
  bitString,
  boolean,
  distinguishedName,
  explicit,
  extension,
  generalName,
  implicit,
  integer,
  namedBits,
  nothing,
  objectIdentifier,
  octetString,
  oids,
  sequence,
  time,
} from './der-writer.ts';

export interface TestKeys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface Written {
  readonly der: Buffer;
  readonly keys: TestKeys;
  /** DER of the subject. */
  readonly subject: Buffer;
  /** The content bytes of the serial number. */
  readonly serial: Buffer;
}

/** The moment that everything written here is valid at by default, and the limits of its validity. */
export const testNow = new Date('2026-06-01T12:00:00Z');
export const testNotBefore = new Date('2026-01-01T00:00:00Z');
export const testNotAfter = new Date('2027-01-01T00:00:00Z');

/** The extensions by name; null leaves one out, another name adds one. */
export type ExtensionWishes = Readonly<Record<string, Buffer | null>>;

export interface CertificateWish {
  /** DER of a name, or a common name. */
  readonly subject?: Buffer | string;
  /** None: self-signed. */
  readonly issuer?: Written;
  /** DER of the issuer's name, where it is to differ from the issuer's subject. */
  readonly issuerName?: Buffer;
  readonly keys?: TestKeys;
  readonly version?: Buffer;
  readonly serial?: Buffer;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** DER of the two times. */
  readonly validity?: Buffer;
  readonly extensions?: ExtensionWishes;
  /** AlgorithmIdentifier inside, and outside. */
  readonly innerAlgorithm?: Buffer;
  readonly outerAlgorithm?: Buffer;
  readonly digest?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  /** SubjectPublicKeyInfo, where it is to differ from that of `keys`. */
  readonly publicKeyInfo?: Buffer;
  /** Elements between the key and the extensions. */
  readonly between?: readonly Buffer[];
  /** False: another key signs. */
  readonly genuine?: boolean;
}

export const ecKeys = (namedCurve = 'P-256'): TestKeys => generateKeyPairSync('ec', { namedCurve });
export const rsaKeys = (modulusLength = 2048): TestKeys => generateKeyPairSync('rsa', { modulusLength });

/** An authority: a root without `issuer`. Default: no path length, no purposes. */
export function writeAuthority(wish: CertificateWish = {}): Written {
  return writeCertificate({
    subject: 'Test Root',
    ...wish,
    extensions: {
      basicConstraints: basicConstraints({}),
      keyUsage: extension(oids.keyUsage, { critical: true, value: namedBits(5, 6) }),
      ...wish.extensions,
    },
  });
}

/** Lean's sender as it should be: one DNS name, digitalSignature, clientAuth. */
export function writeLeaf(wish: CertificateWish & { readonly issuer: Written }): Written {
  return writeCertificate({
    subject: 'webhooks.leantech.me',
    ...wish,
    extensions: {
      basicConstraints: extension(oids.basicConstraints, { critical: true, value: sequence() }),
      keyUsage: extension(oids.keyUsage, { critical: true, value: namedBits(0) }),
      extendedKeyUsage: extendedKeyUsage(oids.clientAuth),
      subjectAltName: subjectAltName('dns:webhooks.leantech.me'),
      ...wish.extensions,
    },
  });
}

export function basicConstraints({
  pathLength,
  critical = true,
}: {
  pathLength?: number;
  critical?: boolean;
}): Buffer {
  const fields = [boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])];
  return extension(oids.basicConstraints, { critical, value: sequence(...fields) });
}

export const extendedKeyUsage = (...purposes: readonly string[]) =>
  extension(oids.extendedKeyUsage, { value: sequence(...purposes.map(objectIdentifier)) });

export const subjectAltName = (...names: readonly string[]) =>
  extension(oids.subjectAltName, { value: sequence(...names.map(generalName)) });

const subtrees = (number: number, bases: readonly Buffer[]) =>
  bases.length === 0 ? [] : [explicit(number, ...bases.map((base) => sequence(base)))];

/** Bases as general names, in DER. */
export function nameConstraints({
  permitted = [],
  excluded = [],
}: {
  permitted?: readonly Buffer[];
  excluded?: readonly Buffer[];
}): Buffer {
  return extension(oids.nameConstraints, {
    critical: true,
    value: sequence(...subtrees(0, permitted), ...subtrees(1, excluded)),
  });
}

export function writeCertificate(wish: CertificateWish): Written {
  const keys = wish.keys ?? ecKeys();
  const signer = wish.issuer?.keys ?? keys;
  const subject =
    typeof wish.subject === 'string' ? commonName(wish.subject) : (wish.subject ?? commonName('x'));
  const serial = wish.serial ?? Buffer.concat([Buffer.of(0x4a), randomBytes(8)]);
  const digest = wish.digest ?? 'sha256';
  const algorithm = signatureAlgorithm(signer, digest);
  const extensions = {
    subjectKeyIdentifier: extension(oids.subjectKeyIdentifier, { value: octetString(keyId(keys)) }),
    authorityKeyIdentifier: extension(oids.authorityKeyIdentifier, {
      value: sequence(implicit(0, keyId(signer))),
    }),
    ...wish.extensions,
  };
  const list = Object.values(extensions).filter((one) => one !== null);
  const toBeSigned = sequence(
    wish.version ?? explicit(0, integer(2)),
    integer(serial),
    wish.innerAlgorithm ?? algorithm,
    wish.issuerName ?? wish.issuer?.subject ?? subject,
    wish.validity ?? sequence(time(wish.notBefore ?? testNotBefore), time(wish.notAfter ?? testNotAfter)),
    subject,
    wish.publicKeyInfo ?? publicKeyInfo(keys),
    ...(wish.between ?? []),
    ...(list.length === 0 ? [] : [explicit(3, sequence(...list))]),
  );
  const signingKeys = wish.genuine === false ? ecKeys() : signer;
  const outer = wish.outerAlgorithm ?? algorithm;
  return { der: signed(toBeSigned, { algorithm: outer, keys: signingKeys, digest }), keys, subject, serial };
}

/** `SEQUENCE { toBeSigned, algorithm, signature }`. */
export function signed(
  toBeSigned: Uint8Array,
  { algorithm, keys, digest = 'sha256' }: { algorithm?: Buffer; keys: TestKeys; digest?: string },
): Buffer {
  const ownDigest = keys.privateKey.asymmetricKeyType?.startsWith('ed') ? null : digest;
  const signature = sign(ownDigest, toBeSigned, keys.privateKey);
  return sequence(toBeSigned, algorithm ?? signatureAlgorithm(keys, 'sha256'), bitString(signature));
}

export interface RevocationListWish {
  readonly issuer: Written;
  readonly revoked?: readonly Written[];
  /** Extensions of each entry. */
  readonly entryExtensions?: readonly Buffer[];
  readonly thisUpdate?: Date;
  /** null leaves it out. */
  readonly nextUpdate?: Date | null;
  readonly extensions?: readonly Buffer[];
  readonly version?: Buffer;
  /** The key identifier it names, where it is to differ from its signer's. */
  readonly keyId?: Buffer;
  /** Fields behind the key identifier: its signer's certificate, by issuer and number. */
  readonly namedCertificate?: readonly Buffer[];
  /** Whose key signs, where it is not the issuer's. */
  readonly signer?: TestKeys;
}

const dayMs = 86_400_000;

export function writeRevocationList(wish: RevocationListWish): Buffer {
  const {
    issuer,
    revoked = [],
    entryExtensions = [],
    nextUpdate = new Date(testNow.getTime() + dayMs),
  } = wish;
  const signer = wish.signer ?? issuer.keys;
  const entries = revoked.map(({ serial }) =>
    sequence(
      integer(serial),
      time(testNotBefore),
      ...(entryExtensions.length === 0 ? [] : [sequence(...entryExtensions)]),
    ),
  );
  const crlNumber = extension('2.5.29.20', { value: integer(1) });
  const keyIdentifier = extension(oids.authorityKeyIdentifier, {
    value: sequence(implicit(0, wish.keyId ?? keyId(signer)), ...(wish.namedCertificate ?? [])),
  });
  const toBeSigned = sequence(
    wish.version ?? integer(1),
    signatureAlgorithm(signer, 'sha256'),
    issuer.subject,
    time(wish.thisUpdate ?? new Date(testNow.getTime() - dayMs)),
    ...(nextUpdate === null ? [] : [time(nextUpdate)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(0, sequence(keyIdentifier, crlNumber, ...(wish.extensions ?? []))),
  );
  return signed(toBeSigned, { keys: signer });
}

const commonName = (value: string) => distinguishedName([oids.commonName, value]);

export function publicKeyInfo(keys: TestKeys): Buffer {
  return keys.publicKey.export({ type: 'spki', format: 'der' });
}

export function toPem(certificate: Uint8Array, label = 'CERTIFICATE'): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The key identifier that certificates and lists written here carry. */
export const keyId = (keys: TestKeys) => createHash('sha1').update(publicKeyInfo(keys)).digest();

const algorithmOids: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  rsa: {
    sha1: '1.2.840.113549.1.1.5',
    sha256: '1.2.840.113549.1.1.11',
    sha384: '1.2.840.113549.1.1.12',
    sha512: '1.2.840.113549.1.1.13',
  },
  ec: {
    sha1: '1.2.840.10045.4.1',
    sha256: '1.2.840.10045.4.3.2',
    sha384: '1.2.840.10045.4.3.3',
    sha512: '1.2.840.10045.4.3.4',
  },
};

/** AlgorithmIdentifier of what these keys sign with this digest. */
export function signatureAlgorithm(keys: TestKeys, digest: string): Buffer {
  const type = keys.publicKey.asymmetricKeyType ?? '';
  if (type === 'ed25519') return sequence(objectIdentifier('1.3.101.112'));
  if (type === 'ed448') return sequence(objectIdentifier('1.3.101.113'));
  const oid = algorithmOids[type]?.[digest];
  if (oid === undefined) throw new Error(`no algorithm for ${type} and ${digest}`);
  return sequence(objectIdentifier(oid), ...(type === 'rsa' ? [nothing] : []));
}
