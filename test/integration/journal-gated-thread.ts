// The journal's own thread on a disk that can be made to hang: while the gate is shut (1) it stops at the next message,
// as a thread does inside an fsync that does not return.
import { parentPort, workerData } from 'node:worker_threads';

const gate = new Int32Array(workerData.gate);
parentPort?.on('message', () => {
  Atomics.wait(gate, 0, 1);
});
await import('../../src/journal/journal-thread.ts');
