// `npm run demo`: one customer's story from the first webhook to the rows, in one process, on nothing but Node and npm.
// With REDIS_URL or DATABASE_URL it uses a random prefix or schema there and drops it, also when it is interrupted.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createOpened } from '../src/core/opened.ts';
import { showScenes } from './demo/scenes.ts';
import { startStage, type Stage } from './demo/stage.ts';

const closeTimeoutMs = 15_000;

const startedAtMs = performance.now();
const dir = await mkdtemp(path.join(tmpdir(), 'lean-demo-'));
const opened = createOpened();
opened.add(() => rm(dir, { recursive: true, force: true }));
let stage: Stage | undefined;

async function play(): Promise<number> {
  try {
    stage = await startStage({ dir, env: process.env, opened, say: (text) => console.log(text) });
    await showScenes(stage);
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    console.log(
      `\nDone in ${seconds} s. Next: npm start, then in a second terminal npm run simulate -- link-bank`,
    );
    return 0;
  } catch (error) {
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    for (const line of stage?.troubles() ?? []) console.error(`  ${line}`);
    return 1;
  }
}

async function interrupted(): Promise<number> {
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  console.error('\nInterrupted; cleaning up …');
  return 130;
}

const exitCode = await Promise.race([play(), interrupted()]);
const cleaned = opened.closeAll().then(
  () => true,
  () => false,
);
if (!(await Promise.race([cleaned, delay(closeTimeoutMs, false)])))
  console.error('Not everything could be cleaned up.');
// Whatever still waits for an engine that never answered must not keep a finished demo alive.
process.exit(exitCode);
