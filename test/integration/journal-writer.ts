// A process of its own that writes to a journal, to be killed or traced by the journal's tests.
// Prints one line per fact: `open`, `ack <sequence>`, `refused <code>`, `done <commits>`.
import { writeSync } from 'node:fs';
import { AppError } from '../../src/core/app-error.ts';
import { openJournal } from '../../src/journal/journal.ts';

const [dir = '', mode = '', countText = '0'] = process.argv.slice(2);
const count = Number(countText);
const say = (line: string) => writeSync(1, `${line}\n`);

const journal = await openJournal({ dir, limitBytes: 8 * 1024 ** 2, keyRing: null });
say('open');

async function appendOne(index: number): Promise<boolean> {
  const body = Buffer.from(JSON.stringify({ index, filler: 'x'.repeat(index % 3000) }));
  try {
    say(`ack ${await journal.append({ body, receivedAt: new Date().toISOString(), proof: 'signature' })}`);
    return true;
  } catch (error) {
    say(`refused ${error instanceof AppError ? error.code : String(error)}`);
    return false;
  }
}

if (mode === 'forever') {
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let index = 0; ; index += 1) await appendOne(index);
    }),
  );
} else if (mode === 'one-by-one') {
  // Until `count` were acknowledged; a refusal waits a moment for the journal to mend itself.
  for (let acked = 0; acked < count;) {
    if (await appendOne(acked)) acked += 1;
    else await new Promise((resolve) => setTimeout(resolve, 50));
  }
} else if (mode === 'together') {
  await Promise.all(Array.from({ length: count }, (_, index) => appendOne(index)));
}
say(`done ${journal.stats().commits}`);
if (mode !== 'hold') {
  await journal.close();
  say('closed');
} else {
  setInterval(() => undefined, 60_000);
}
