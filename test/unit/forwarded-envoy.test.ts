// Envoy's x-forwarded-client-cert holds more than a certificate: names that a caller chose, quoted or not, and elements of
// every hop. None of that may change which certificate is read.
import { describe, expect, it } from 'vitest';
import { readForwardedCertificate } from '../../src/tls/forwarded-certificate.ts';
import { escapeAll, escapeMost, pem } from '../fixtures/forwarded/index.ts';
import { writeAuthority, writeLeaf } from '../support/certificate-writer.ts';

const root = writeAuthority();
const [leaf, spoofed] = [writeLeaf({ issuer: root }).der, writeLeaf({ issuer: root }).der];
const encoded = (...certificates: readonly Buffer[]) => escapeAll(certificates.map(pem).join(''));
const cert = `Cert="${encoded(leaf)}"`;
const other = `Cert="${encoded(spoofed)}"`;

const read = (value: string) => readForwardedCertificate(['x-forwarded-client-cert', value], 'envoy');
const presented = { kind: 'presented', leafDer: leaf, intermediatesDer: [] };
const refused = (reason: string) => ({ kind: 'unreadable', reason });

it.each<[string, string]>([
  ['the certificate alone', cert],
  ['its key in small letters', cert.replace('Cert', 'cert')],
  ['its key in capitals', cert.replace('Cert', 'CERT')],
  ['no quotes around it, as it holds nothing that needs them', `Cert=${encoded(leaf)}`],
  ['its plus signs left as they are', `Cert="${escapeMost(pem(leaf))}"`],
  ['a subject with a comma', `Subject="CN=a,O=b";${cert}`],
  ['a subject that reads like a certificate', `${cert};Subject="CN=x;${other.replaceAll('"', '\\"')}"`],
  ['a subject that reads like an element', `Subject="CN=a\\",Cert=\\"x\\",By=\\"";${cert}`],
  ['a subject that ends in a backslash', `Subject="CN=a\\\\";${cert}`],
  ['an empty subject', `Subject="";${cert}`],
  ['an empty name', `By=;${cert};URI=`],
  ['several names', `${cert};DNS=a.example;DNS=b.example;URI=spiffe://a?b=c`],
])('one element is read: %s', (_what, value) => {
  expect(read(value)).toEqual(presented);
});

describe('two elements are never read, whichever is first', () => {
  it.each<[string, string]>([
    ["a caller's element in front of Envoy's", `${other},${cert}`],
    ['one behind it', `${cert},${other}`],
    ['one without a certificate in front', `By=a;Hash=b,${cert}`],
    ['one without a certificate behind', `${cert},By=a;Hash=b`],
    ['an empty one behind', `${cert},`],
    ['the same one again', `${cert},${cert}`],
    ['a name without quotes that holds a comma', `${cert};URI=a,${other}`],
  ])('%s', (_what, value) => {
    expect(read(value)).toEqual(refused('HEADER_REPEATED'));
  });

  it.each<[string, string]>([
    ['an empty one in front', `,${cert}`],
    ['with a blank behind the comma of an unreadable one', `x, ${cert}`],
  ])('%s', (_what, value) => {
    expect(read(value)).toEqual(refused('HEADER_UNREADABLE'));
  });
});

it.each<[string, string]>([
  ['two certificates', `${cert};${other}`],
  ['the same twice', `${cert};${cert}`],
  ['a second one under another spelling of the key', `${cert};${other.replace('Cert', 'cErT')}`],
  ['two chains', `${cert};Chain="${encoded(leaf)}";chain="${encoded(leaf)}"`],
])('a key that may stand once stands twice: %s', (_what, value) => {
  expect(read(value)).toEqual(refused('HEADER_REPEATED'));
});

it.each<[string, string]>([
  ['no certificate', 'By=spiffe://a;Hash=00'],
  ['an empty certificate', 'Cert='],
  ['an empty certificate in quotes', 'Cert=""'],
  ['a chain without a certificate', `Chain="${encoded(leaf)}"`],
  ['two certificates in one value', `Cert="${encoded(leaf, spoofed)}"`],
  ['a quote that never ends', `Cert="${encoded(leaf)}`],
  ['a quote that a backslash keeps open', `${cert.slice(0, -1)}\\"`],
  ['text behind the quote', `${cert}x`],
  ['another sign where the semicolon belongs', `${cert}|By=a`],
  ['a blank behind the quote', `${cert} ;By=a`],
  ['a blank in front of the key', ` ${cert}`],
  ['a blank behind the semicolon', `By=a; ${cert}`],
  ['a quote inside a value without quotes', `By=a"b";${cert}`],
  ['a key without a value', `By;${cert}`],
  ['a value without a key', `=a;${cert}`],
  ['an empty pair', `By=a;;${cert}`],
  ['a semicolon at the end', `${cert};`],
  ['a key of other signs', `X-By=a;${cert}`],
])('not readable: %s', (_what, value) => {
  expect(read(value)).toEqual(refused('HEADER_UNREADABLE'));
});

describe('the chain', () => {
  const between = root.der;

  it('gives what stands behind the leaf', () => {
    const value = `${cert};Chain="${encoded(leaf, between, spoofed)}"`;
    expect(read(value)).toEqual({ kind: 'presented', leafDer: leaf, intermediatesDer: [between, spoofed] });
  });

  it('of the leaf alone gives none', () => {
    expect(read(`Chain="${encoded(leaf)}";${cert}`)).toEqual(presented);
  });

  it.each<[string, string]>([
    ['without the leaf', encoded(between)],
    ['of somebody else', encoded(spoofed, leaf)],
    ['with the leaf behind', encoded(between, leaf)],
    ['of nothing', ''],
  ])('%s is refused', (_what, chain) => {
    expect(read(`${cert};Chain="${chain}"`)).toEqual(refused('HEADER_UNREADABLE'));
  });
});
