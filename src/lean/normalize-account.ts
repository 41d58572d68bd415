// Wire account → canonical account. Pure, and total over the wire schema.
import type { CanonicalAccount } from '../core/canonical.ts';
import { normalizeIban } from '../core/iban.ts';
import { readDate } from '../core/local-date.ts';
import { normalizeCurrency, noteUnknownCurrency } from './normalize-amount.ts';
import { createNotes, lastPerKey, type Notes } from './normalize-notes.ts';
import { readBic } from './normalize-party.ts';
import type { WireItem } from './read-list.ts';
import type { WireAccount } from './wire-account.ts';

/** One record per account id, in the order of the list. */
export function normalizeAccounts(items: readonly WireItem<WireAccount>[]): CanonicalAccount[] {
  return lastPerKey(items.map(normalizeAccount), (account) => account.accountId);
}

function normalizeAccount({ wire, raw }: WireItem<WireAccount>): CanonicalAccount {
  const notes = createNotes();
  const currency = normalizeCurrency(wire.currency, notes);
  noteUnknownCurrency(currency, notes);
  const openingDate = readDate(wire.opening_date);
  if (openingDate === null && wire.opening_date !== null) notes.warn('DATE_UNREADABLE');
  return {
    accountId: wire.account_id,
    status: notes.word('accountStatus', wire.status),
    currency,
    accountType: notes.word('accountType', wire.account_type),
    accountSubType: notes.word('accountSubType', wire.account_sub_type),
    nickname: notes.text(wire.nickname),
    description: notes.text(wire.description),
    accountHolderName: notes.text(wire.account_holder_name ?? wire.account_holder_short_name),
    openingDate,
    iban: findIban(wire, notes),
    identifiers: wire.account.map(({ scheme_name, identification, name }) => ({
      scheme_name: notes.word('accountScheme', scheme_name),
      identification: notes.text(identification),
      name: notes.text(name),
    })),
    servicer: normalizeServicer(wire.servicer, notes),
    raw,
    warnings: notes.warnings(),
  };
}

function normalizeServicer(wire: WireAccount['servicer'], notes: Notes): CanonicalAccount['servicer'] {
  if (wire === null) return null;
  const { scheme_name: scheme, identification } = wire;
  return {
    scheme_name: notes.word('agentScheme', scheme),
    identification: notes.text(identification),
    bic: scheme === 'BICFI' ? readBic(identification, notes) : null,
  };
}

/** The first identifier of scheme IBAN that is one; those that are not stay in `identifiers` as written, with a warning. */
function findIban(wire: WireAccount, notes: Notes): string | null {
  const written = wire.account.flatMap(({ scheme_name, identification }) =>
    scheme_name === 'IBAN' && identification !== null ? [identification] : [],
  );
  const ibans = written.map(normalizeIban);
  if (ibans.includes(null)) notes.warn('IBAN_INVALID');
  return ibans.find((iban) => iban !== null) ?? null;
}
