// Starts a receiver: `npm run start:receiver`.
import { runRole } from './operations/run-role.ts';
import { startReceiver } from './receiver/start-receiver.ts';

await runRole({ role: 'receiver', env: process.env, start: startReceiver });
