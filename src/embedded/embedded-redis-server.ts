// The child process of embedded-redis.ts. Serves 127.0.0.1 only, prints its port, and ends when its standard
// input closes, which is when its parent is gone.
import net from 'node:net';
import { createRedisServer } from 'js-redis-server';

// The server listens on every address and has no option for it; without a password it must not.
const listen = Reflect.get(net.Server.prototype, 'listen');
net.Server.prototype.listen = function listenLocally(...[port]: unknown[]) {
  return Reflect.apply(listen, this, [{ host: '127.0.0.1', port }]);
};

const { port } = await createRedisServer({ port: 0 });
process.stdout.write(`${port}\n`);
process.stdin.on('close', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
