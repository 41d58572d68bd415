// Lean's API for the sample, in a process of its own: one customer, whose accounts are at the address it says.
import { z } from 'zod';
import { generateCustomers } from '../../simulator/customers.ts';
import { startLeanServer } from '../../simulator/lean-server.ts';
import { sayListening } from './peer-settings.ts';

const pair = z.strictObject({ chainPem: z.string(), keyPem: z.string() });
const { pki, appToken } = z
  .strictObject({
    appToken: z.string(),
    pki: z.strictObject({
      leanServer: pair,
      leanChainPem: z.string(),
      application: z.strictObject({ certPem: z.string() }),
    }),
  })
  .parse(JSON.parse(process.argv[2] ?? '{}'));

const customers = generateCustomers({ seed: 'sample', entities: 1 });
const server = await startLeanServer({ pki, customers, appToken, requireClientCertificate: true });
const address = new URL('/data/v2/accounts', server.url);
address.searchParams.set('entity_id', customers.entities[0]?.entityId ?? '');
sayListening(address.href);
