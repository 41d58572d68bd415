// Keeps one slow bank from taking all of a worker's slots: per process, so many calls at a time for each bank. Who
// finds no slot is told when to come back, at about the pace at which the bank is served.

export interface BankSlots {
  take(bank: string): BankSlot;
}

export type BankSlot =
  /** Give it back with `release`, once. */
  { readonly kind: 'taken'; release(): void } | { readonly kind: 'busy'; readonly delayMs: number };

interface BankSlotsOptions {
  /** Slots of the whole worker. */
  readonly slots: number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs?: () => number;
}

interface Bank {
  held: number;
  /** How long the last call held its slot. */
  lastHeldMs: number;
  /** When the last of those that were sent away comes back. */
  expectedAtMs: number;
}

/** A quarter, but always one. */
const shareOfSlots = 4;
/** Coming back costs a place under the rate limit, so nobody comes back much sooner than a call takes. */
const shortestDelayMs = 250;
const longestDelayMs = 30_000;
const assumedCallMs = 1_000;

export function createBankSlots({ slots, nowMs = () => performance.now() }: BankSlotsOptions): BankSlots {
  const limit = Math.max(1, Math.floor(slots / shareOfSlots));
  const banks = new Map<string, Bank>();

  function hold(name: string, bank: Bank): BankSlot {
    const startedAtMs = nowMs();
    bank.held += 1;
    banks.set(name, bank);
    return {
      kind: 'taken',
      release() {
        bank.held -= 1;
        bank.lastHeldMs = nowMs() - startedAtMs;
        // With every slot free again nothing is left to remember, and the map holds no more than what is going on.
        if (bank.held === 0) banks.delete(name);
      },
    };
  }

  return {
    take(name) {
      const bank = banks.get(name) ?? { held: 0, lastHeldMs: assumedCallMs, expectedAtMs: 0 };
      if (bank.held < limit) return hold(name, bank);
      const apartMs = Math.max(1, bank.lastHeldMs / limit);
      const now = nowMs();
      bank.expectedAtMs = Math.min(Math.max(bank.expectedAtMs, now) + apartMs, now + longestDelayMs);
      return {
        kind: 'busy',
        delayMs: Math.round(Math.max(shortestDelayMs, bank.expectedAtMs - now)),
      };
    },
  };
}
