// Every certificate the tests, the demo and development need, made fresh each time and never committed: Lean's
// authority and what it issued, a rogue authority that copies its names, and a "public" one for our own server.
// oxlint-disable-next-line import/no-unassigned-import -- @peculiar/x509 wants it loaded first, for its effect
import 'reflect-metadata';
import { X509Certificate, createHash, randomBytes, type webcrypto } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as x509 from '@peculiar/x509';

/** The name Lean's webhook sender carries in this project's tests, as LEAN_CLIENT_NAMES would hold it. */
export const webhookClientName = 'dns:webhooks.leantech.me';

export interface Identity {
  readonly certPem: string;
  readonly keyPem: string;
  /** What the peer presents in the handshake: the leaf, then its intermediates, without the root. */
  readonly chainPem: string;
}

/** A certificate authority that can issue more leaves, for tests of odd certificates. */
export interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  /** The intermediates a leaf of this issuer presents; empty for a root. */
  readonly presentedPem: string;
}

export interface Pki {
  /** Lean's sender of webhooks (clientAuth, dns:webhooks.leantech.me). */
  readonly lean: { readonly webhookClient: Identity };
  /** Another customer of Lean: same authority, other name. */
  readonly otherCustomer: Identity;
  /** Our application's certificate for calls into Lean, issued by Lean. */
  readonly application: Identity;
  /** A stranger's authority issued this, with the very name of Lean's sender. */
  readonly rogue: Identity;
  /** Our receiver's server certificate for localhost and 127.0.0.1. */
  readonly receiverServer: Identity;
  /** The simulator's server certificate for localhost and 127.0.0.1, of Lean's chain. */
  readonly leanServer: Identity;
  /** Intermediate and root, as Lean's dashboard hands it out: lean_public_cert_chain.pem. */
  readonly leanChainPem: string;
  /** Trust anchor of `receiverServer`. */
  readonly serverCaPem: string;
  readonly issuers: {
    readonly leanRoot: Issuer;
    readonly leanIntermediate: Issuer;
    readonly rogueIntermediate: Issuer;
    readonly publicRoot: Issuer;
  };
}

interface LeafRequest {
  issuer: Issuer;
  /** `dns:name`, `ip:address` or `uri:address`. */
  sans: string[];
  eku: ('clientAuth' | 'serverAuth')[];
  commonName?: string;
  /** Default: a day ago. */
  notBefore?: Date;
  /** Default: ten years after `notBefore`. */
  notAfter?: Date;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const lifetimeMs = 3650 * dayMs;

/** Makes a whole set of authorities and certificates (EC P-256; some 50 ms). `now` moves their ten years of validity. */
export async function createPki({ now = new Date() }: { now?: Date } = {}): Promise<Pki> {
  const notBefore = new Date(now.getTime() - dayMs);
  const leanRoot = await createAuthority({ name: 'CN=Lean Root CA,O=Lean test', notBefore });
  const leanIntermediate = await createAuthority({
    name: 'CN=Lean Issuing CA,O=Lean test',
    parent: leanRoot,
    notBefore,
  });
  const rogueRoot = await createAuthority({ name: 'CN=Lean Root CA,O=Lean test', notBefore });
  const rogueIntermediate = await createAuthority({
    name: 'CN=Lean Issuing CA,O=Lean test',
    parent: rogueRoot,
    notBefore,
  });
  const publicRoot = await createAuthority({ name: 'CN=Public test CA,O=Nobody', notBefore });
  const client = (issuer: Issuer, name: string) =>
    issueLeaf({ issuer, sans: [`dns:${name}`], eku: ['clientAuth'], notBefore });
  const server = (issuer: Issuer) =>
    issueLeaf({ issuer, sans: ['dns:localhost', 'ip:127.0.0.1'], eku: ['serverAuth'], notBefore });
  return {
    lean: { webhookClient: await client(leanIntermediate, 'webhooks.leantech.me') },
    otherCustomer: await client(leanIntermediate, 'customer-42.clients.leantech.me'),
    application: await client(leanIntermediate, 'our-application.clients.leantech.me'),
    rogue: await client(rogueIntermediate, 'webhooks.leantech.me'),
    receiverServer: await server(publicRoot),
    leanServer: await server(leanIntermediate),
    leanChainPem: toPem(leanIntermediate.certificate) + toPem(leanRoot.certificate),
    serverCaPem: toPem(publicRoot.certificate),
    issuers: { leanRoot, leanIntermediate, rogueIntermediate, publicRoot },
  };
}

let shared: Promise<Pki> | null = null;

/** One set per process, for tests that only need some valid one. */
export function testPki(): Promise<Pki> {
  shared ??= createPki();
  return shared;
}

/** Makes an authority: a root, or one below `parent` that may issue leaves only. */
export async function createAuthority(options: {
  name: string;
  parent?: Issuer;
  notBefore?: Date;
}): Promise<Issuer> {
  const { name, parent, notBefore = new Date(Date.now() - dayMs) } = options;
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name,
    issuer: parent?.certificate.subject ?? name,
    notBefore,
    notAfter: new Date(notBefore.getTime() + lifetimeMs + dayMs),
    publicKey: keys.publicKey,
    signingKey: parent?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, parent ? 0 : 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(parent?.keys.publicKey ?? keys.publicKey),
    ],
  });
  return { certificate, keys, presentedPem: parent ? toPem(certificate) + parent.presentedPem : '' };
}

/** Issues an end certificate, odd ones included: any names, any purpose, any validity. */
export async function issueLeaf(request: LeafRequest): Promise<Identity> {
  const { issuer, sans, eku, notBefore = new Date(Date.now() - dayMs) } = request;
  const keys = await generateKeys();
  const commonName = request.commonName ?? sans[0]?.replace(/^[a-z]+:/, '') ?? 'nobody';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [commonName] }],
    issuer: issuer.certificate.subject,
    notBefore,
    notAfter: request.notAfter ?? new Date(notBefore.getTime() + lifetimeMs),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ...(eku.length > 0
        ? [new x509.ExtendedKeyUsageExtension(eku.map((purpose) => purposes[purpose]))]
        : []),
      ...(sans.length > 0 ? [new x509.SubjectAlternativeNameExtension(sans.map(parseName))] : []),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
  const certPem = toPem(certificate);
  const privateKey = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = `${x509.PemConverter.encode(privateKey, 'PRIVATE KEY')}\n`;
  return { certPem, keyPem, chainPem: certPem + issuer.presentedPem };
}

/** The pin of a certificate's key as LEAN_CLIENT_NAMES takes it: `sha256/` and base64 of SHA-256 over the SPKI. */
export function spkiPin(certPem: string): string {
  const key = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256/${createHash('sha256').update(key).digest('base64')}`;
}

/** File names as an operator has them; the ones only the simulator needs start with `simulator-`. */
const fileNames = {
  tlsCert: 'tls.crt',
  tlsKey: 'tls.key',
  serverCa: 'server_ca.pem',
  leanChain: 'lean_public_cert_chain.pem',
  applicationCert: 'my_app_cert.crt',
  applicationKey: 'my_app_private_key.pem',
  leanServerCert: 'simulator-lean-server.crt',
  leanServerKey: 'simulator-lean-server.key',
  webhookClientCert: 'simulator-lean-webhooks.crt',
  webhookClientKey: 'simulator-lean-webhooks.key',
  otherCustomerCert: 'simulator-other-customer.crt',
  otherCustomerKey: 'simulator-other-customer.key',
  rogueCert: 'simulator-rogue.crt',
  rogueKey: 'simulator-rogue.key',
} as const;
export type PkiPaths = Readonly<Record<keyof typeof fileNames, string>>;

/** Absolute paths of the files `writePki` makes in `dir`. */
export function pkiPaths(dir: string): PkiPaths {
  const inDir = (name: keyof typeof fileNames) => path.resolve(dir, fileNames[name]);
  return {
    tlsCert: inDir('tlsCert'),
    tlsKey: inDir('tlsKey'),
    serverCa: inDir('serverCa'),
    leanChain: inDir('leanChain'),
    applicationCert: inDir('applicationCert'),
    applicationKey: inDir('applicationKey'),
    leanServerCert: inDir('leanServerCert'),
    leanServerKey: inDir('leanServerKey'),
    webhookClientCert: inDir('webhookClientCert'),
    webhookClientKey: inDir('webhookClientKey'),
    otherCustomerCert: inDir('otherCustomerCert'),
    otherCustomerKey: inDir('otherCustomerKey'),
    rogueCert: inDir('rogueCert'),
    rogueKey: inDir('rogueKey'),
  };
}

/**
 * Writes the set as PEM files, keys readable by the owner only. `my_app_cert.crt` holds the leaf alone, as Lean's
 * dashboard gives it; the other certificates hold the chain they present.
 */
export async function writePki(pki: Pki, dir: string): Promise<PkiPaths> {
  const paths = pkiPaths(dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const contents: Record<keyof PkiPaths, string> = {
    tlsCert: pki.receiverServer.chainPem,
    tlsKey: pki.receiverServer.keyPem,
    serverCa: pki.serverCaPem,
    leanChain: pki.leanChainPem,
    applicationCert: pki.application.certPem,
    applicationKey: pki.application.keyPem,
    leanServerCert: pki.leanServer.chainPem,
    leanServerKey: pki.leanServer.keyPem,
    webhookClientCert: pki.lean.webhookClient.chainPem,
    webhookClientKey: pki.lean.webhookClient.keyPem,
    otherCustomerCert: pki.otherCustomer.chainPem,
    otherCustomerKey: pki.otherCustomer.keyPem,
    rogueCert: pki.rogue.chainPem,
    rogueKey: pki.rogue.keyPem,
  };
  await Promise.all(
    Object.entries(paths).map(async ([name, file]) => {
      const content = Object.entries(contents).find(([key]) => key === name)?.[1] ?? '';
      await writeFile(file, content, { mode: 0o600 });
    }),
  );
  return paths;
}

const purposes = {
  clientAuth: x509.ExtendedKeyUsage.clientAuth,
  serverAuth: x509.ExtendedKeyUsage.serverAuth,
} as const;

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

/** RFC 5280 wants at most 20 positive bytes; random, so that the two authorities of one name never collide. */
function serialNumber(): string {
  return `4a${randomBytes(15).toString('hex')}`;
}

function toPem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`;
}

function parseName(name: string): x509.JsonGeneralName {
  const [kind = '', ...rest] = name.split(':');
  const value = rest.join(':');
  if (kind === 'dns') return { type: 'dns', value };
  if (kind === 'ip') return { type: 'ip', value };
  if (kind === 'uri') return { type: 'url', value };
  throw new Error(`a subject alternative name starts with dns:, ip: or uri:, and this is ${name}`);
}
