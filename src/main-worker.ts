// Starts a worker: `npm run start:worker`.
import { runRole } from './operations/run-role.ts';
import { startWorker } from './worker/start-worker.ts';

await runRole({ role: 'worker', env: process.env, start: startWorker });
