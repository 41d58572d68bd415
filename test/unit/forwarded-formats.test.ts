// The traps of each way to forward a certificate, one by one: what a proxy, a library or a caller could make of it.
import { describe, expect, it } from 'vitest';
import { readForwardedCertificate, type ForwardedFormat } from '../../src/tls/forwarded-certificate.ts';
import { escapeAll, escapeMost, pem } from '../fixtures/forwarded/index.ts';
import { writeAuthority, writeLeaf, type Written } from '../support/certificate-writer.ts';

const base64 = (...certificates: readonly Buffer[]) => Buffer.concat(certificates).toString('base64');
const root = writeAuthority();
const authority = writeAuthority({ subject: 'Issuing', issuer: root });
const leaf = leafWithSigns();
const [first, second] = [authority.der, root.der];

/** With both of the signs that base64 and forms quarrel about, and padded: one in three is so by chance. */
function leafWithSigns(): Written {
  for (let attempt = 1; attempt <= 200; attempt += 1) {
    const written = writeLeaf({ issuer: authority });
    if (/(?=.*\+)(?=.*\/).*=$/.test(base64(written.der))) return written;
  }
  throw new Error('no leaf with +, / and = in two hundred');
}

const read = (format: ForwardedFormat, ...rawHeaders: readonly string[]) =>
  readForwardedCertificate(rawHeaders, format);
const presented = (...intermediatesDer: readonly Buffer[]) => ({
  kind: 'presented',
  leafDer: leaf.der,
  intermediatesDer,
});
const refused = (reason = 'HEADER_UNREADABLE') => ({ kind: 'unreadable', reason });

const readNginx = (...verdict: readonly string[]) =>
  read(
    'nginx',
    'X-SSL-Client-Cert',
    escapeAll(pem(leaf.der)),
    ...verdict.flatMap((value) => ['X-SSL-Client-Verify', value]),
  );
const readHaproxy = (certificate: string, ...chain: readonly string[]) =>
  read(
    'haproxy',
    'X-SSL-Client-Cert',
    certificate,
    ...chain.flatMap((value) => ['X-SSL-Client-Chain', value]),
  );
const sequence = (certificate: Buffer) => `:${base64(certificate)}:`;
const readFields = (certificate: string, chain = '') =>
  read('rfc9440', 'Client-Cert', certificate, 'Client-Cert-Chain', chain);
const readLeaf = (value: string) => read('aws-alb-verify', 'X-Amzn-Mtls-Clientcert-Leaf', value);
const readChain = (value: string) => read('aws-alb-passthrough', 'X-Amzn-Mtls-Clientcert', value);
const readTraefik = (value: string) => read('traefik', 'X-Forwarded-Tls-Client-Cert', value);

describe('nginx', () => {
  it('a certificate that nginx verified is read', () => {
    expect(readNginx('SUCCESS')).toEqual(presented());
  });

  it.each(['NONE', 'FAILED:certificate has expired', 'FAILED', '', 'success', 'SUCCESS ', 'SUCCESSFUL'])(
    'with the verdict %j it is not',
    (verdict) => {
      expect(readNginx(verdict)).toEqual(refused('PROXY_UNVERIFIED'));
    },
  );

  it('nor without a verdict, nor with two', () => {
    expect(readNginx()).toEqual(refused('PROXY_UNVERIFIED'));
    expect(readNginx('SUCCESS', 'SUCCESS')).toEqual(refused('HEADER_REPEATED'));
  });

  it('a verdict without a certificate is no certificate', () => {
    expect(read('nginx', 'X-SSL-Client-Verify', 'SUCCESS')).toEqual({ kind: 'absent' });
    expect(read('nginx', 'X-SSL-Client-Verify', 'NONE', 'X-SSL-Client-Cert', '')).toEqual({ kind: 'absent' });
  });

  it('the deprecated form, folded lines without escapes, is refused', () => {
    const folded = pem(leaf.der).trimEnd().replaceAll('\n', '\t');
    expect(read('nginx', 'X-SSL-Client-Cert', folded, 'X-SSL-Client-Verify', 'SUCCESS')).toEqual(refused());
  });
});

describe('haproxy', () => {
  it('an empty chain, and none, is a leaf alone', () => {
    expect(readHaproxy(base64(leaf.der), '')).toEqual(presented());
    expect(readHaproxy(base64(leaf.der))).toEqual(presented());
  });

  it('a chain without a leaf is no certificate', () => {
    expect(readHaproxy('', base64(first))).toEqual({ kind: 'absent' });
  });

  it('certificates directly behind each other are told apart by their lengths', () => {
    expect(readHaproxy(base64(leaf.der), base64(first, second))).toEqual(presented(first, second));
  });

  it.each<[string, string, string]>([
    ['two certificates where the leaf belongs', base64(leaf.der, first), ''],
    ['a byte behind the chain', base64(leaf.der), base64(first, Buffer.of(0))],
    ['a chain that is cut off', base64(leaf.der), base64(first, second.subarray(0, -1))],
    ['a chain by commas', base64(leaf.der), `${base64(first)},${base64(second)}`],
    ['add-header instead of set-header', `${base64(leaf.der)}, ${base64(leaf.der)}`, ''],
    ['hex instead of base64', leaf.der.toString('hex'), ''],
    ['the alphabet of URLs', leaf.der.toString('base64url'), ''],
    ['no padding', base64(leaf.der).replace(/=+$/, ''), ''],
    ['one padding too many', `${base64(leaf.der)}=`, ''],
    ['bits left over', leftOver(base64(leaf.der)), ''],
    ['a blank inside', base64(leaf.der).replace('+', ' '), ''],
    ['an escape', base64(leaf.der).replace('+', '%2B'), ''],
    ['colons of another format', `:${base64(leaf.der)}:`, ''],
  ])('%s is refused', (_what, certificate, chain) => {
    expect(readHaproxy(certificate, chain)).toEqual(refused());
  });
});

/** Another last letter in front of the padding, of the same bytes: readers that are lenient read the same. */
function leftOver(text: string): string {
  const at = text.indexOf('=') - 1;
  const next = String.fromCharCode(text.charCodeAt(at) + 1);
  const changed = text.slice(0, at) + next + text.slice(at + 1);
  expect(Buffer.from(changed, 'base64')).toEqual(Buffer.from(text, 'base64'));
  return changed;
}

describe('rfc9440', () => {
  it.each<[string, string]>([
    ['with a space behind the comma', `${sequence(first)}, ${sequence(second)}`],
    ['without', `${sequence(first)},${sequence(second)}`],
    ['with tabs and spaces around it', ` ${sequence(first)} \t , \t${sequence(second)}\t`],
  ])('a chain %s is read', (_how, chain) => {
    expect(readFields(sequence(leaf.der), chain)).toEqual(presented(first, second));
  });

  it.each<[string, string]>([
    ['a parameter', `${sequence(leaf.der)};a=1`],
    ['a parameter behind a blank', `${sequence(leaf.der)} ;a`],
    ['a list of one and nothing', `${sequence(leaf.der)},`],
    ['a list of two', `${sequence(leaf.der)}, ${sequence(first)}`],
    ['an inner list', `(${sequence(leaf.der)})`],
    ['a string', `"${base64(leaf.der)}"`],
    ['no colons', base64(leaf.der)],
    ['one colon', `:${base64(leaf.der)}`],
    ['a colon at the end only', `x${base64(leaf.der)}:`],
    ['a colon at the start only', `:${base64(leaf.der)}x`],
    ['a colon alone', ':'],
    ['two colons and nothing', '::'],
    ['three colons', `:${sequence(leaf.der)}`],
    ['a blank inside', `: ${base64(leaf.der)}:`],
    ['a space that is none', `\u{a0}${sequence(leaf.der)}`],
    ['no padding', `:${base64(leaf.der).replace(/=+$/, '')}:`],
    ['two certificates in one sequence', `:${base64(leaf.der, first)}:`],
    ['the PEM, escaped', `:${escapeAll(pem(leaf.der))}:`],
  ])('%s where the certificate belongs is refused', (_what, certificate) => {
    expect(readFields(certificate)).toEqual(refused());
  });

  it.each<[string, string]>([
    ['a comma at the end', `${sequence(first)},`],
    ['a comma at the start', `,${sequence(first)}`],
    ['two commas', `${sequence(first)},,${sequence(second)}`],
    ['no comma', `${sequence(first)} ${sequence(second)}`],
    ['a parameter', `${sequence(first)};a, ${sequence(second)}`],
    ['an inner list', `(${sequence(first)} ${sequence(second)})`],
    ['a blank only', ' '],
    ['a space that is none', `${sequence(first)},\u{a0}${sequence(second)}`],
  ])('a chain with %s is refused', (_what, chain) => {
    expect(readFields(sequence(leaf.der), chain)).toEqual(refused());
  });

  it('a chain without a certificate is no certificate', () => {
    expect(readFields('', sequence(first))).toEqual({ kind: 'absent' });
  });
});

describe('aws-alb', () => {
  it('a plus sign is a plus sign, escaped or not', () => {
    expect(escapeMost(pem(leaf.der))).toMatch(/[A-Za-z0-9/]\+[A-Za-z0-9/+=]/);
    expect(readLeaf(escapeMost(pem(leaf.der)))).toEqual(presented());
    expect(readLeaf(escapeAll(pem(leaf.der)))).toEqual(presented());
    expect(readChain(escapeMost(pem(leaf.der) + pem(first)))).toEqual(presented(first));
  });

  it('a plus sign that a form made a space is refused', () => {
    expect(readLeaf(escapeMost(pem(leaf.der)).replace('+', '%20'))).toEqual(refused());
  });

  it('neither mode reads the header of the other', () => {
    const value = escapeMost(pem(leaf.der));
    expect(read('aws-alb-verify', 'X-Amzn-Mtls-Clientcert', value)).toEqual({ kind: 'absent' });
    expect(read('aws-alb-passthrough', 'X-Amzn-Mtls-Clientcert-Leaf', value)).toEqual({ kind: 'absent' });
  });

  it('a second certificate behind the leaf is refused in verify mode', () => {
    expect(readLeaf(escapeMost(pem(leaf.der) + pem(first)))).toEqual(refused());
  });

  it.each<[string, string]>([
    ['ends of lines as Windows writes them', pem(leaf.der).replaceAll('\n', '\r\n')],
    ['no end of line at the end', pem(leaf.der).trimEnd()],
    ['empty lines around it', `\n${pem(leaf.der)}\n\n`],
    ['one long line', pem(leaf.der).replaceAll(/(?<=[^-])\n(?=[^-])/g, '')],
  ])('PEM with %s is read', (_what, text) => {
    expect(readLeaf(escapeAll(text))).toEqual(presented());
    expect(readChain(escapeAll(text))).toEqual(presented());
  });

  const body = pem(leaf.der);
  it.each<[string, string]>([
    ['text in front', `subject=Lean\n${body}`],
    ['text behind', `${body}Lean\n`],
    ['text between two certificates', `${body}Lean\n${pem(first)}`],
    ['a blank behind the armour', body.replace('E-----\n', 'E----- \n')],
    ['a blank in front', ` ${body}`],
    ['an empty line inside', body.replace('\n', '\n\n')],
    ['a header inside', body.replace('\n', '\nProc-Type: 4,ENCRYPTED\n')],
    ['armour of another kind', body.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE')],
    ['a beginning of another kind', body.replace('BEGIN CERT', 'BEGIN X509 CERT')],
    ['an end of another kind', body.replace('END CERT', 'END X509 CERT')],
    ['armour of old', body.replaceAll('CERTIFICATE', 'X509 CERTIFICATE')],
    ['armour in small letters', body.replaceAll('CERTIFICATE', 'certificate')],
    ['no end', body.replace(/-----END.*\n/, '')],
    ['no beginning', body.replace(/-----BEGIN.*\n/, '')],
    ['a second beginning', body.replace('\n', '\n-----BEGIN CERTIFICATE-----\n')],
    ['nothing inside', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['only carriage returns', body.replaceAll('\n', '\r')],
    ['padding inside', body.replace(/\n(?=.)/g, '=\n')],
    ['nothing at all', '\n'],
  ])('PEM with %s is refused', (_what, text) => {
    expect(readLeaf(escapeAll(text))).toEqual(refused());
    expect(readChain(escapeAll(text))).toEqual(refused());
  });

  it('an escape of an escape is not read twice', () => {
    expect(readLeaf(escapeAll(escapeAll(body)))).toEqual(refused());
  });
});

describe('traefik', () => {
  it('the whole chain is read, leaf first', () => {
    expect(readTraefik([leaf.der, first, second].map((der) => base64(der)).join(','))).toEqual(
      presented(first, second),
    );
  });

  it.each<[string, string]>([
    ['a comma at the end', `${base64(leaf.der)},`],
    ['a comma at the start', `,${base64(leaf.der)}`],
    ['a blank behind the comma', `${base64(leaf.der)}, ${base64(first)}`],
    ['escapes, as its second version wrote them', escapeAll(base64(leaf.der))],
    ['two certificates without a comma', base64(leaf.der, first)],
    ['armour', pem(leaf.der).replaceAll('\n', '')],
  ])('%s is refused', (_what, value) => {
    expect(readTraefik(value)).toEqual(refused());
  });
});
