// Deliveries that arrive by themselves, for all scenarios alike. Only numbers.
import type { LoadModel } from './load-messages.ts';

/** So many that a subject that answers late is what one waits for, and not a free connection of the sender's. */
const most = 256;

/** Each connection has its turn about once a second at least: servers close those that stay idle. */
export function openModel(ratePerSecond: number): LoadModel {
  const connections = Math.max(1, Math.min(most, Math.floor(ratePerSecond)));
  return { kind: 'open', connections, ratePerSecond };
}
