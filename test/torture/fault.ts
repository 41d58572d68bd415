// What a fault is: something done to the service while it works, held for a while and healed again.
import type { Random } from '../simulator/random.ts';
import type { Stage } from './stage.ts';

export interface FaultContext {
  readonly stage: Stage;
  readonly random: Random;
  /** Waits for between `from` and `to` milliseconds, less when the time is up. */
  readonly hold: (fromMs: number, toMs: number) => Promise<void>;
}

export type Place = 'receiver' | 'worker' | 'redis' | 'postgres' | 'lean' | 'network';

export interface Fault {
  readonly kind: string;
  /** Among these only one at a time. */
  readonly on: Place;
  /** Nor with one on this. */
  readonly alsoOn?: Place;
  /** Applies it, holds it and heals it; resolves when all is as before. */
  readonly run: (context: FaultContext) => Promise<void>;
}
