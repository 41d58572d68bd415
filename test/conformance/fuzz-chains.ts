// Mutates certificates and revocation lists of chains made here, and signs most of them again, so that the mutation and
// not the signature is judged. Whatever our verifier then accepts, OpenSSL in strict mode must accept too.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { judgeInAWord } from '../support/chain-judge.ts';
import {
  basicConstraints,
  extendedKeyUsage,
  nameConstraints,
  rsaKeys,
  signed,
  subjectAltName,
  testNow,
  toPem,
  writeAuthority,
  writeLeaf,
  writeRevocationList,
  type TestKeys,
} from '../support/certificate-writer.ts';
import { allNodes, parseDer, writeDer, type DerNode } from '../support/der-tree.ts';
import {
  distinguishedName,
  explicit,
  extension,
  generalName,
  implicit,
  namedBits,
  objectIdentifier,
  oids,
  sequence,
  text,
} from '../support/der-writer.ts';
import { createRandom, type Random } from '../simulator/random.ts';

interface SignedPart {
  readonly der: Buffer;
  /** Whose key signs it. */
  readonly signer: TestKeys;
}

/** A sound chain, root last; revocation lists where there are some. */
interface FuzzChain {
  readonly certificates: readonly SignedPart[];
  readonly crls: readonly SignedPart[];
}

export interface FuzzResult {
  readonly mutations: number;
  readonly accepted: number;
  /** What we accept and OpenSSL refuses: PEM of the chain, and OpenSSL's words. */
  readonly findings: readonly { readonly mutation: number; readonly openssl: string; readonly pem: string }[];
}

const maxFindings = 20;

export function fuzzChains({ mutations, seed }: { mutations: number; seed: string }): FuzzResult {
  const random = createRandom(seed);
  const chains = makeChains();
  const dir = mkdtempSync(path.join(tmpdir(), 'fuzz-chains-'));
  const findings: { mutation: number; openssl: string; pem: string }[] = [];
  let accepted = 0;
  try {
    for (const chain of chains) {
      if (!weAccept(chain)) throw new Error('a chain is refused before it is changed');
      const refusal = askOpenSsl(chain, dir);
      if (refusal !== null) throw new Error(`OpenSSL refuses a chain before it is changed: ${refusal}`);
    }
    for (let mutation = 0; mutation < mutations && findings.length < maxFindings; mutation += 1) {
      const chain = mutateChain(random.pick(chains), random);
      if (!weAccept(chain)) continue;
      accepted += 1;
      const openssl = askOpenSsl(chain, dir);
      if (openssl === null) continue;
      const pem = chain.certificates.map(({ der }) => toPem(der)).join('');
      const crls = chain.crls.map(({ der }) => toPem(der, 'X509 CRL')).join('');
      findings.push({ mutation, openssl, pem: pem + crls });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return { mutations, accepted, findings };
}

function weAccept({ certificates, crls }: FuzzChain): boolean {
  const [leaf, ...issuers] = certificates;
  const root = issuers.pop();
  if (leaf === undefined || root === undefined) return false;
  const lists = crls.map(({ der }) => der);
  const chain = { leaf, intermediates: issuers, bundle: [root] };
  return judgeInAWord(crls.length > 0 ? { ...chain, crls: lists } : chain) === 'accept';
}

/** null: OpenSSL accepts it. */
function askOpenSsl({ certificates, crls }: FuzzChain, dir: string): string | null {
  const file = (name: string, content: string) => {
    const at = path.join(dir, name);
    writeFileSync(at, content);
    return at;
  };
  const [leaf, ...issuers] = certificates.map(({ der }) => toPem(der));
  const root = issuers.pop();
  const lists = crls.map(({ der }) => toPem(der, 'X509 CRL')).join('');
  const { status, stdout, stderr } = spawnSync(
    'openssl',
    [
      'verify',
      '-purpose',
      'sslclient',
      '-x509_strict',
      '-auth_level',
      '2',
      '-attime',
      String(testNow.getTime() / 1000),
      '-no-CAfile',
      '-no-CApath',
      '-no-CAstore',
      '-trusted',
      file('root.pem', root ?? ''),
      ...(issuers.length > 0 ? ['-untrusted', file('intermediates.pem', issuers.join(''))] : []),
      ...(lists === '' ? [] : ['-crl_check_all', '-CRLfile', file('crls.pem', lists)]),
      file('leaf.pem', leaf ?? ''),
    ],
    { encoding: 'utf8' },
  );
  if (status === null) throw new Error('openssl cannot be run');
  return status === 0 ? null : `${stdout}${stderr}`.replaceAll(dir, '').trim();
}

const toPart = ({ der }: { der: Buffer }, { keys }: { keys: TestKeys }) => ({ der, signer: keys });

function makeChains(): FuzzChain[] {
  const rsa = rsaKeys();
  const root = writeAuthority({ extensions: { basicConstraints: basicConstraints({ pathLength: 2 }) } });
  const permitted = [
    generalName('dns:leantech.me'),
    generalName('email:leantech.me'),
    generalName('uri:.leantech.me'),
    generalName('ip:0a000000ff000000'),
    explicit(4, distinguishedName([oids.organization, 'Lean'])),
  ];
  const excluded = [generalName('dns:evil.leantech.me'), generalName('email:a@leantech.me')];
  const rich = writeAuthority({
    subject: distinguishedName([oids.organization, 'Lean'], [oids.commonName, 'Issuing CA']),
    issuer: root,
    extensions: {
      basicConstraints: basicConstraints({ pathLength: 0 }),
      eku: extendedKeyUsage(oids.clientAuth, oids.serverAuth),
      netscapeType: extension(oids.netscapeType, { value: namedBits(5) }),
      nameConstraints: nameConstraints({ permitted, excluded }),
      points: extension(oids.distributionPoints, {
        value: sequence(sequence(explicit(0, explicit(0, generalName('uri:http://crl.leantech.me/a.crl'))))),
      }),
      policies: extension(oids.certificatePolicies, {
        critical: true,
        value: sequence(sequence(objectIdentifier('2.5.29.32.0'))),
      }),
    },
  });
  const richLeaf = writeLeaf({
    issuer: rich,
    subject: distinguishedName([oids.organization, 'Lean'], [oids.commonName, 'webhooks.leantech.me']),
    extensions: {
      subjectAltName: subjectAltName(
        'dns:webhooks.leantech.me',
        'email:ops@leantech.me',
        'uri:https://api.leantech.me/x',
        'ip:0a010203',
      ),
      netscapeType: extension(oids.netscapeType, { value: namedBits(0) }),
      odd: extension('1.2.3.4.5', { value: implicit(1, Buffer.from('odd')) }),
    },
  });
  const rsaRoot = writeAuthority({ subject: 'RSA Root', keys: rsa });
  const rsaLeaf = writeLeaf({ issuer: rsaRoot, keys: rsaKeys(), extensions: { basicConstraints: null } });
  const mailbox = writeAuthority({
    subject: 'Mail CA',
    issuer: root,
    extensions: { nameConstraints: nameConstraints({ permitted: [generalName('email:leantech.me')] }) },
  });
  // One bit from being a mail address beyond ASCII, which its authority does not permit.
  const nearMailbox = explicit(0, objectIdentifier('1.3.6.1.5.5.7.8.8'), explicit(0, text('a@evil.example')));
  const mailboxLeaf = writeLeaf({
    issuer: mailbox,
    extensions: { subjectAltName: extension(oids.subjectAltName, { value: sequence(nearMailbox) }) },
  });
  const plain = writeAuthority({ subject: 'Issuing', issuer: root });
  const plainLeaf = writeLeaf({ issuer: plain });
  const plainChain = [toPart(plainLeaf, plain), toPart(plain, root), toPart(root, root)];
  const list = (issuer: typeof root) => ({
    der: writeRevocationList({
      issuer,
      revoked: [rsaLeaf, richLeaf],
      namedCertificate: [explicit(1, explicit(4, root.subject)), implicit(2, issuer.serial)],
    }),
    signer: issuer.keys,
  });
  return [
    { certificates: plainChain, crls: [] },
    { certificates: plainChain, crls: [list(root), list(plain)] },
    { certificates: [toPart(richLeaf, rich), toPart(rich, root), toPart(root, root)], crls: [] },
    { certificates: [toPart(mailboxLeaf, mailbox), toPart(mailbox, root), toPart(root, root)], crls: [] },
    { certificates: [toPart(rsaLeaf, rsaRoot), toPart(rsaRoot, rsaRoot)], crls: [] },
  ];
}

/** One part of the chain changed, in one of several ways; in seven of eight cases signed again. */
function mutateChain({ certificates, crls }: FuzzChain, random: Random): FuzzChain {
  const index = random.integer(0, certificates.length + crls.length - 1);
  const mutated = ({ der, signer }: SignedPart): SignedPart => {
    if (random.chance(1 / 8)) return { der: mutateBytes(der, random), signer };
    return { der: mutateAndSign(der, { signer, random }), signer };
  };
  const change = (offset: number) => (part: SignedPart, at: number) =>
    at + offset === index ? mutated(part) : part;
  return { certificates: certificates.map(change(0)), crls: crls.map(change(certificates.length)) };
}

function mutateAndSign(der: Buffer, { signer, random }: { signer: TestKeys; random: Random }): Buffer {
  const [toBeSigned, algorithm] = parseDer(der)?.[0]?.children ?? [];
  if (toBeSigned === undefined || algorithm === undefined) return der;
  const outer = random.chance(1 / 50) ? mutateBytes(writeDer(algorithm), random) : writeDer(algorithm);
  const changes = random.chance(0.8) ? 1 : 2;
  let changed = writeDer(toBeSigned);
  for (let change = 0; change < changes; change += 1)
    changed = random.chance(1 / 3) ? mutateBytes(changed, random) : mutateTree(changed, random);
  return signed(changed, { algorithm: outer, keys: signer });
}

function mutateBytes(original: Buffer, random: Random): Buffer {
  const at = random.integer(0, original.length - 1);
  const bytes = Buffer.from(original);
  switch (random.integer(0, 4)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7));
      return bytes;
    case 1:
      bytes[at] = random.integer(0, 255);
      return bytes;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(random.integer(0, 255)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    default:
      bytes[at] = ((bytes[at] ?? 0) + (random.chance(0.5) ? 1 : 255)) & 0xff;
      return bytes;
  }
}

const interestingTags = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31];
/** The last one is the identifier of mail addresses beyond ASCII. */
const interestingBytes = [
  '',
  '00',
  'ff',
  '80',
  '7f',
  '0100',
  'ff00',
  '2a',
  '2e',
  '40',
  '3030',
  '2b06010505070809',
];

/** Changes an element and keeps every length right, so that the change gets deep into the verifier. */
function mutateTree(toBeSigned: Buffer, random: Random): Buffer {
  const [tree] = parseDer(toBeSigned) ?? [];
  if (tree === undefined) return toBeSigned;
  const nodes = allNodes(tree);
  const node = random.pick(nodes);
  const parents = nodes.filter(({ children }) => children !== null && children.length > 0);
  // An earlier change may have left no parents at all.
  const parent = parents.length === 0 ? node : random.pick(parents);
  const siblings = parent.children ?? [];
  const at = random.integer(0, siblings.length - 1);
  const chosen = random.pick(nodes);
  switch (random.integer(0, 7)) {
    case 0:
      siblings.splice(at, 1);
      break;
    case 1:
      siblings.splice(at, 0, structuredCopy(siblings[at] ?? node));
      break;
    case 2:
      siblings.splice(at, 1, ...siblings.splice(random.integer(0, siblings.length - 1), 1));
      break;
    case 3:
      siblings.splice(at, random.integer(0, 1), structuredCopy(chosen));
      break;
    case 4:
      node.tag = random.pick(interestingTags);
      break;
    case 5:
      node.tag ^= 1 << random.integer(0, 7);
      break;
    case 6:
      replaceContent(node, Buffer.from(random.pick(interestingBytes), 'hex'));
      break;
    default:
      if (node.bytes.length > 0) replaceContent(node, mutateBytes(node.bytes, random));
  }
  return writeDer(tree);
}

function replaceContent(node: DerNode, bytes: Buffer): void {
  node.children = null;
  node.bytes = bytes;
}

function structuredCopy(node: DerNode): DerNode {
  return parseDer(writeDer(node))?.[0] ?? node;
}
