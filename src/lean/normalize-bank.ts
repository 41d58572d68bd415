// Wire bank → canonical bank, from the list of banks or from `bank.availability.updated`. Pure, and total over the
// wire schema. What the source does not say is null, never "switched off".
import type { CanonicalBank } from '../core/canonical-access.ts';
import { createNotes, lastPerKey } from './normalize-notes.ts';
import { normalizeCountry, readBic } from './normalize-party.ts';
import type { WireItem } from './read-list.ts';
import type { WireBank } from './wire-bank.ts';

/** One record per bank, in the order of the list. */
export function normalizeBanks(items: readonly WireItem<WireBank>[]): CanonicalBank[] {
  return lastPerKey(items.map(normalizeBank), ({ bankIdentifier }) => bankIdentifier);
}

export function normalizeBank({ wire, raw }: WireItem<WireBank>): CanonicalBank {
  const notes = createNotes();
  const active = wire.availability?.active ?? null;
  const enabled = wire.availability?.enabled ?? null;
  return {
    bankIdentifier: wire.identifier,
    name: notes.text(wire.name),
    arabicName: notes.text(wire.arabic_name),
    bankType: notes.word('bankType', wire.bank_type),
    accountType: notes.word('bankAccountType', wire.account_type),
    country: normalizeCountry(wire.country_code, notes),
    bic: readBic(wire.swift_code, notes),
    isMock: wire.mock,
    activeData: active?.data ?? null,
    enabledData: enabled?.data ?? null,
    activePayments: active?.payments ?? null,
    enabledPayments: enabled?.payments ?? null,
    raw,
    warnings: notes.warnings(),
  };
}

/** Whether data can be had from the bank; null where not both switches are known. */
export function isOpenForData({ activeData, enabledData }: CanonicalBank): boolean | null {
  if (activeData === false || enabledData === false) return false;
  return activeData === true && enabledData === true ? true : null;
}
