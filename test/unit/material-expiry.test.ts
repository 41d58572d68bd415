// The time left on certificates and lists: one value each, and none of what was replaced.
import { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createExpiryGauges } from '../../src/receiver/material-expiry.ts';
import {
  testNotAfter,
  testNow,
  toPem,
  writeAuthority,
  writeLeaf,
  writeRevocationList,
  type Written,
} from '../support/certificate-writer.ts';
import { anchorsOf, crlsOf } from '../support/receiver-server.ts';

const root = writeAuthority();
const issuing = writeAuthority({
  subject: 'Issuing',
  issuer: root,
  notAfter: new Date('2026-06-02T12:00:00Z'),
});
const leaf = writeLeaf({ issuer: issuing });
const crl = writeRevocationList({ issuer: root, nextUpdate: new Date('2026-06-01T11:00:00Z') });

const read = ({ der }: Written) => new X509Certificate(der);
const startOf = (one: Written) => read(one).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 16);
const wholeYearLeft = (testNotAfter.getTime() - testNow.getTime()) / 1000;

function measuring() {
  const metrics = createMetrics({ processMetrics: false });
  const gauges = createExpiryGauges(metrics);
  const shown = async () => {
    const { values } = await metrics.certificateExpirySeconds.get();
    return Object.fromEntries(
      values.map(({ labels, value }) => [`${labels.material} ${labels.sha256}`, value]),
    );
  };
  return { gauges, shown, metrics };
}

const pairOf = (...chain: readonly [Written, ...Written[]]) => ({
  certPem: '',
  keyPem: '',
  leaf: read(chain[0]),
  certificates: chain.map(read),
});

it('has one value for every certificate of both files and for every list, past ones below zero', async () => {
  const { gauges, shown } = measuring();
  const anchors = anchorsOf(toPem(root.der) + toPem(issuing.der));
  const clients = { anchors, crls: crlsOf(toPem(crl, 'X509 CRL')) };
  gauges.measure({ pair: pairOf(leaf, issuing), clients }, testNow);
  const values = await shown();
  const lists = Object.entries(values).filter(([name]) => name.startsWith('lean_crl '));
  expect(lists).toEqual([[expect.stringMatching(/^lean_crl [0-9a-f]{16}$/), -3_600]]);
  expect(values).toMatchObject({
    [`server_certificate ${startOf(leaf)}`]: wholeYearLeft,
    [`server_certificate ${startOf(issuing)}`]: 86_400,
    [`lean_chain ${startOf(root)}`]: wholeYearLeft,
    [`lean_chain ${startOf(issuing)}`]: 86_400,
  });
  expect(Object.keys(values)).toHaveLength(5);
});

it('forgets what was replaced, and leaves the values of others alone', async () => {
  const { gauges, shown, metrics } = measuring();
  metrics.certificateExpirySeconds.set({ material: 'client_certificate' }, 7);
  gauges.measure({ pair: pairOf(leaf, issuing), clients: null }, testNow);
  const renewed = writeLeaf({ issuer: root });
  gauges.measure({ pair: pairOf(renewed), clients: null }, testNow);
  expect(await shown()).toEqual({
    'client_certificate undefined': 7,
    [`server_certificate ${startOf(renewed)}`]: wholeYearLeft,
  });
});

it('has nothing to say where TLS ends elsewhere and no certificate is judged', async () => {
  const { gauges, shown } = measuring();
  gauges.measure({ pair: null, clients: null }, testNow);
  expect(await shown()).toEqual({});
});
