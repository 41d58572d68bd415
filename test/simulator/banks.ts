// The banks the simulator plays, and whether they can be used right now. Facts of a bank never change; its availability
// belongs to the running server, so that one test's outage is not another's.
import type { Region } from './customers.ts';
import type { Random } from './random.ts';

export interface SimulatedBank {
  identifier: string;
  name: string;
  logo: string;
  mainColor: string;
  backgroundColor: string;
  swiftCode: string | null;
  bankType: string;
  accountType: string;
  countryCode: string;
}

/** Data can be had only where both `active.data` and `enabled.data` are true. */
export interface BankAvailability {
  active: { payments: boolean; data: boolean };
  enabled: { payments: boolean; data: boolean };
}

const banks: Readonly<Record<Region, readonly SimulatedBank[]>> = {
  ae: [
    bank({ identifier: 'LEAN_OF_RETAIL_UAE', name: 'Lean Open Finance MockBank', countryCode: 'ARE' }),
    bank({ identifier: 'LEANMB1_UAE', name: 'Lean Mockbank 1', countryCode: 'ARE', swiftCode: 'MOCKAE01' }),
  ],
  sa: [
    bank({ identifier: 'LEA1_SAMAOB_SAU', name: 'Mockbank 1', countryCode: 'SAU', swiftCode: 'MOCKSA01' }),
    bank({ identifier: 'LEA2_SAMAOB_SAU', name: 'Mockbank 2', countryCode: 'SAU', swiftCode: 'MOCKSA02' }),
  ],
};

/** Every bank the simulator knows, for `GET /banks/v1`. */
export const simulatedBanks: readonly SimulatedBank[] = [...banks.ae, ...banks.sa];

export function pickBank(region: Region, random: Random): SimulatedBank {
  return random.pick(banks[region]);
}

/** A bank that can be used for everything. */
export function availableBank(): BankAvailability {
  return { active: { payments: true, data: true }, enabled: { payments: true, data: true } };
}

function bank(facts: {
  identifier: string;
  name: string;
  countryCode: string;
  swiftCode?: string;
}): SimulatedBank {
  return {
    ...facts,
    logo: 'https://cdn.leantech.me/img/banks/white-lean.png',
    mainColor: '#1beb75',
    backgroundColor: '#ffffff',
    swiftCode: facts.swiftCode ?? null,
    bankType: 'RETAIL',
    accountType: 'PERSONAL',
  };
}
