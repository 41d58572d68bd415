// `npm run demo`: one customer's story from the first webhook to the rows, in one process, on nothing but Node and npm.
// With REDIS_URL or DATABASE_URL it uses a random prefix or schema there and drops it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { showScenes } from './demo/scenes.ts';
import { startStage, type Stage } from './demo/stage.ts';

const startedAtMs = performance.now();
const dir = await mkdtemp(path.join(tmpdir(), 'lean-demo-'));
let stage: Stage | undefined;
try {
  stage = await startStage({ dir, env: process.env, say: (text) => console.log(text) });
  await showScenes(stage);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  console.log(
    `\nDone in ${seconds} s. Next: npm start, then in a second terminal npm run simulate -- link-bank`,
  );
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  for (const line of stage?.troubles() ?? []) console.error(`  ${line}`);
  process.exitCode = 1;
} finally {
  await stage?.close();
  await rm(dir, { recursive: true, force: true });
}
