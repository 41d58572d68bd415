// The public socket below the requests: what goes wrong there costs that one connection and nothing else.
import { expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';
import { createConnectionErrors } from '../../src/receiver/connection-errors.ts';
import { createListener } from '../../src/receiver/listener.ts';
import { send } from '../support/lean-sender.ts';
import { collectLines } from '../support/receiver-server.ts';

it('a connection that cannot be accepted is logged and counted, and the others go on', async () => {
  const { logger, lines } = collectLines();
  const metrics = createMetrics({ processMetrics: false });
  const listener = createListener({
    tls: null,
    judgePeer: null,
    maxConnections: 16,
    limits: {},
    errors: createConnectionErrors({ logger, metrics }),
    handle: (_request, response) => response.end(),
  });
  const port = await listener.listen({ host: '127.0.0.1', port: 0 });
  // What node:net does when the system has no file handle or no buffer left.
  const failure = Object.assign(new Error('accept ENFILE'), { code: 'ENFILE', syscall: 'accept' });
  expect(listener.server.emit('error', failure)).toBe(true);
  expect(await send({ url: `http://127.0.0.1:${port}` })).toMatchObject({ status: 200 });
  expect(lines).toMatchObject([{ msg: 'connection_refused', level: 'warn', reason: 'ACCEPT_FAILED ENFILE' }]);
  const refused = await metrics.connectionsRefused.get();
  expect(refused.values).toMatchObject([{ labels: { reason: 'ACCEPT_FAILED' }, value: 1 }]);
  await listener.drain({ timeoutMs: 1_000 });
});
