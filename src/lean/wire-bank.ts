// A bank, from GET /banks/v1 or from `bank.availability.updated`, which tells only its availability.
import { z } from 'zod';
import { wireBoolean, wireId, wireObject, wireText } from './wire-values.ts';

const wireSwitch = wireObject(z.object({ payments: wireBoolean, data: wireBoolean }));

export const wireBankSchema = z.object({
  identifier: wireId,
  name: wireText,
  arabic_name: wireText,
  bank_type: wireText,
  account_type: wireText,
  country_code: wireText,
  swift_code: wireText,
  mock: wireBoolean,
  /** `active` is the bank's and Lean's doing, `enabled` is ours, in the dashboard. */
  availability: wireObject(z.object({ active: wireSwitch, enabled: wireSwitch })),
});
export type WireBank = z.infer<typeof wireBankSchema>;
