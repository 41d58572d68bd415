// Certificates, keys and anchors from files: what could not work or would trust too much is refused by name.
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCertificate, loadCaBundle, loadCrls, loadKeyPair } from '../../src/tls/tls-material.ts';
import {
  rsaKeys,
  testNow,
  toPem,
  writeAuthority,
  writeRevocationList,
  type RevocationListWish,
} from '../support/certificate-writer.ts';
import { extension, integer } from '../support/der-writer.ts';
import { createPki, issueLeaf, testPki, type Pki } from '../support/pki.ts';
import { createRevocationList } from '../support/revocation-list.ts';

let pki: Pki;
let dir: string;
beforeAll(async () => {
  pki = await testPki();
  dir = await mkdtemp(path.join(tmpdir(), 'tls-material-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const at = path.join(dir, name);
  await writeFile(at, content);
  return at;
}

const refusal = (reason: RegExp) =>
  expect.objectContaining({ code: 'TLS_MATERIAL_INVALID', message: expect.stringMatching(reason) });

const wholeList = (wish: Partial<RevocationListWish> = {}) =>
  toPem(writeRevocationList({ issuer: writeAuthority(), ...wish }), 'X509 CRL');

describe('our certificate and key', () => {
  it('load when they belong together, also with a byte order mark and Windows line ends', async () => {
    const { chainPem, keyPem } = pki.lean.webhookClient;
    const certFile = await file('good.crt', `\uFEFF${chainPem.replaceAll('\n', '\r\n')}`);
    const pair = await loadKeyPair({ certFile, keyFile: await file('good.key', keyPem) });
    expect(pair.leaf.raw).toEqual(new X509Certificate(pki.lean.webhookClient.certPem).raw);
  });

  it.each<[string, () => { cert: string; key: string } | Promise<{ cert: string; key: string }>, RegExp]>([
    [
      "another certificate's key",
      () => ({ cert: pki.receiverServer.certPem, key: pki.rogue.keyPem }),
      /bad\.key: it is not the key of .*bad\.crt/,
    ],
    ['no certificate', () => ({ cert: 'hello', key: pki.rogue.keyPem }), /bad\.crt: it holds no certificate/],
    ['an empty file', () => ({ cert: '', key: pki.rogue.keyPem }), /bad\.crt: it holds no certificate/],
    [
      'half a certificate',
      () => ({ cert: pki.receiverServer.certPem.slice(0, 300), key: pki.receiverServer.keyPem }),
      /bad\.crt: a certificate in it is cut off/,
    ],
    ['no key', () => ({ cert: pki.receiverServer.certPem, key: 'hello' }), /bad\.key: .*private key/],
    [
      'an expired certificate',
      () => serverLeaf({ notAfter: new Date(Date.now() - 1_000) }),
      /bad\.crt: it expired/,
    ],
    [
      'a certificate of tomorrow',
      () => serverLeaf({ notBefore: new Date(Date.now() + 86_400_000) }),
      /bad\.crt: it is valid only from/,
    ],
  ])('are refused with %s', async (_name, material, reason) => {
    const { cert, key } = await material();
    const options = { certFile: await file('bad.crt', cert), keyFile: await file('bad.key', key) };
    await expect(loadKeyPair(options)).rejects.toEqual(refusal(reason));
  });

  it('are refused by name when a file is missing', async () => {
    const options = { certFile: path.join(dir, 'nowhere.crt'), keyFile: path.join(dir, 'nowhere.key') };
    await expect(loadKeyPair(options)).rejects.toEqual(refusal(/nowhere\.crt: it cannot be read/));
  });
});

async function serverLeaf(validity: {
  notBefore?: Date;
  notAfter?: Date;
}): Promise<{ cert: string; key: string }> {
  const { certPem, keyPem } = await issueLeaf({
    issuer: pki.issuers.publicRoot,
    sans: ['dns:localhost'],
    eku: ['serverAuth'],
    ...validity,
  });
  return { cert: certPem, key: keyPem };
}

describe('anchors', () => {
  it('load with every certificate of the file', async () => {
    const bundle = await loadCaBundle({ file: await file('chain.pem', pki.leanChainPem) });
    expect(bundle.certificates).toHaveLength(2);
  });

  it.each<[string, () => string | Promise<string>, RegExp]>([
    ['empty', () => '', /bad\.pem: it holds no certificate/],
    ['without a root', () => pki.issuers.leanIntermediate.certificate.toString('pem'), /no self-signed root/],
    ['a leaf only', () => pki.otherCustomer.certPem, /no self-signed root/],
    [
      'with something that is no certificate',
      () => `${pki.leanChainPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      /certificate 3 cannot be read/,
    ],
    [
      'with an expired one',
      async () => pki.leanChainPem + (await createPki({ now: new Date('2001-01-01') })).leanChainPem,
      /CN=Lean Issuing CA.* expired on/,
    ],
  ])('are refused when the file is %s', async (_name, content, reason) => {
    await expect(loadCaBundle({ file: await file('bad.pem', await content()) })).rejects.toEqual(
      refusal(reason),
    );
  });
});

describe('anchors that the verifier of clients cannot use', () => {
  const weakRoot = writeAuthority({ keys: rsaKeys(1024) });

  it('are refused by name and reason when there is no other root', async () => {
    const loading = loadCaBundle({ file: await file('weak.pem', toPem(weakRoot.der)), now: testNow });
    await expect(loading).rejects.toEqual(
      refusal(/weak\.pem: .*no self-signed root.*certificate 1 is unusable \(KEY_NOT_ALLOWED\)/),
    );
  });

  it('are named beside a root that it can use', async () => {
    const both = toPem(weakRoot.der) + toPem(writeAuthority().der);
    const { trust } = await loadCaBundle({ file: await file('both.pem', both), now: testNow });
    expect(trust.unusable).toEqual([{ index: 0, reason: 'KEY_NOT_ALLOWED' }]);
    expect(trust.roots).toHaveLength(1);
  });
});

describe('revocation lists', () => {
  it('load one by one from a file with several', async () => {
    const { leanRoot, leanIntermediate } = pki.issuers;
    const lists = [await createRevocationList(leanRoot), await createRevocationList(leanIntermediate)];
    const loaded = await loadCrls(await file('good.crl', lists.join('')));
    expect(loaded.pems.map((pem) => `${pem}\n`)).toEqual(lists);
    expect(loaded.lists).toMatchObject({ isComplete: true, lists: [{ isWhole: true }, { isWhole: true }] });
  });

  it.each<[string, () => string, RegExp]>([
    ['none in it', () => pki.leanChainPem, /bad\.crl: it holds no revocation list/],
    [
      'one that cannot be read',
      () => '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n',
      /revocation list 1 cannot be read/,
    ],
    ['one that is cut off', () => wholeList().slice(0, -40), /bad\.crl: it holds no revocation list/],
    ['one cut off behind another', () => wholeList() + wholeList().slice(0, -40), /is cut off/],
    [
      'one that lists changes only',
      () => wholeList({ extensions: [extension('2.5.29.27', { critical: true, value: integer(1) })] }),
      /revocation list 1 is of a kind that is not supported/,
    ],
    ['one without an end', () => wholeList({ nextUpdate: null }), /revocation list 1 is not strict DER/],
  ])('are refused by name with %s', async (_name, content, reason) => {
    await expect(loadCrls(await file('bad.crl', content()))).rejects.toEqual(refusal(reason));
  });
});

it('describes a certificate in one line, with the whole days it has left', () => {
  const leaf = new X509Certificate(pki.receiverServer.certPem);
  const now = new Date(leaf.validToDate.getTime() - 2.5 * 86_400_000);
  const described = describeCertificate(leaf, now);
  expect(described).toMatchObject({ subject: 'CN=localhost', daysLeft: 2 });
  expect(described.sha256).toBe(leaf.fingerprint256.replaceAll(':', '').toLowerCase());
});
