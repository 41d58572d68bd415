// Sends deliveries one by one and says of each how long it took until its row was committed. Looks every two
// milliseconds, so that no figure is finer than that.
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Database } from '../../src/store/database.ts';
import { signBody } from '../simulator/webhook-sender.ts';
import { deliveryBody } from './deliveries.ts';
import type { LoadTarget } from './load-messages.ts';

export interface RowWatch {
  /** Milliseconds from the POST to the first look that saw the row. Throws on any answer but 200. */
  send(): Promise<number>;
  close(): Promise<void>;
}

const lookEveryMs = 2;
const rowLimitMs = 30_000;

export function openRowWatch(target: LoadTarget, database: Database): RowWatch {
  const { caPem: ca, certPem: cert, keyPem: key, url, secret } = target;
  const agent = new Agent({ connections: 8, connect: { ca, cert, key } });
  const waiting = new Map<string, () => void>();
  const closing = new AbortController();
  const looking = look();

  async function look(): Promise<void> {
    while (!closing.signal.aborted) {
      const ids = [...waiting.keys()];
      if (ids.length > 0) {
        const rows = await database.db
          .selectFrom('webhook_events')
          .select('event_key as eventKey')
          .where('event_key', 'in', ids)
          .execute();
        for (const { eventKey } of rows) waiting.get(eventKey)?.();
      }
      await delay(lookEveryMs);
    }
  }

  return {
    async send() {
      const body = deliveryBody({ type: 'payment.updated', bytes: 1_024 });
      const id = /"event_id":"([^"]+)"/.exec(body)?.[1] ?? '';
      const signature = signBody(body, secret);
      const startedAt = performance.now();
      const seen = new Promise<number>((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no row within ${rowLimitMs} ms`)), rowLimitMs);
        waiting.set(id, () => {
          clearTimeout(late);
          waiting.delete(id);
          resolve(performance.now() - startedAt);
        });
      });
      // Whoever is not answered throws for that, and nobody waits for its row any more.
      seen.catch(() => undefined);
      const headers = { 'content-type': 'application/json', 'lean-signature': signature };
      const answer = await request(url, { method: 'POST', dispatcher: agent, headers, body });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}`);
      return seen;
    },
    async close() {
      closing.abort();
      await looking;
      await agent.close();
    },
  };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Deliveries that are in Postgres. By batches, so that asking costs little however many there are. */
export async function rowCount({ db }: Database): Promise<number> {
  const { total } = await db
    .selectFrom('intake_batches')
    .select(({ fn }) => fn.sum<string | null>('deliveries').as('total'))
    .executeTakeFirstOrThrow();
  return Number(total ?? 0);
}
