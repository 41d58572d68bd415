// Repeatable randomness for the simulator: one seed, always the same values. Never for keys or secrets.
import { createHash } from 'node:crypto';

export interface Random {
  /** At least 0, below 1. */
  next(): number;
  /** Both ends included. */
  integer(from: number, to: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** Decimal digits; the first is never 0. */
  digits(count: number): string;
  letters(count: number): string;
  uuid(): string;
  /** A new list in another order. */
  shuffle<T>(list: readonly T[]): T[];
}

/** The same label gives the same stream; parts of one world take labels of their own, so that they do not disturb each other. */
export function createRandom(label: string): Random {
  const state = createHash('sha256').update(label).digest();
  const words = [state.readUInt32LE(0), state.readUInt32LE(4), state.readUInt32LE(8), 1];
  const next = () => nextWord(words) / 2 ** 32;
  const integer = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  const characters = (alphabet: string, count: number) =>
    Array.from({ length: count }, () => alphabet.charAt(integer(0, alphabet.length - 1))).join('');
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick(list) {
      const item = list[integer(0, list.length - 1)];
      if (item === undefined) throw new Error('nothing to pick from');
      return item;
    },
    digits: (count) => characters('123456789', 1) + characters('0123456789', count - 1),
    letters: (count) => characters('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', count),
    uuid() {
      const hex = characters('0123456789abcdef', 30);
      const variant = characters('89ab', 1);
      return [
        hex.slice(0, 8),
        hex.slice(8, 12),
        `4${hex.slice(12, 15)}`,
        `${variant}${hex.slice(15, 18)}`,
        hex.slice(18, 30),
      ].join('-');
    },
    shuffle(list) {
      const keyed = list.map((item) => ({ item, key: next() }));
      return keyed.toSorted((one, other) => one.key - other.key).map(({ item }) => item);
    },
  };
}

/** The generator sfc32: small, fast, and good enough for test data. */
function nextWord(words: number[]): number {
  const [a = 0, b = 0, c = 0, counter = 0] = words;
  const sum = (a + b + counter) | 0;
  words[0] = b ^ (b >>> 9);
  words[1] = (c + (c << 3)) | 0;
  words[2] = (((c << 21) | (c >>> 11)) + sum) | 0;
  words[3] = (counter + 1) | 0;
  return sum >>> 0;
}
