// What a benchmark's Lean is: whose data it has, how long its lists are and how long it takes to answer. The process
// and whoever asks it make the same customers from the same options.
import { z } from 'zod';
import { generateCustomers, type SimulatedCustomers } from '../simulator/customers.ts';

export const leanOptionsSchema = z.object({
  entities: z.int().positive().default(1),
  accounts: z.int().positive().default(1),
  /** Per account, as the simulator makes them. */
  transactions: z.int().nonnegative().default(40),
  /** Per account, made page by page in place of the simulator's; null: those. A multiple of 100. */
  listLength: z.int().positive().nullable().default(null),
  latencyMs: z.int().nonnegative().default(0),
});
export type LeanOptions = z.input<typeof leanOptionsSchema>;

/** Every entity has a bank of its own, so that no bank's share of the slots bounds anything. */
export function leanCustomers(options: LeanOptions): SimulatedCustomers {
  const { entities, accounts, transactions } = leanOptionsSchema.parse(options);
  const at = `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`;
  const customers = generateCustomers({ seed: 'bench', entities, accounts, transactions, region: 'ae', at });
  for (const [place, entity] of customers.entities.entries()) {
    entity.bank = { ...entity.bank, identifier: `BENCH_${place}` };
  }
  return customers;
}
