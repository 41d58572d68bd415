// nginx over mTLS that answers 200 and keeps nothing: what TLS and HTTP cost by themselves, in C. One worker, as every
// other subject answers on one thread.
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findBalancer } from '../../support/balancers.ts';
import { startLogged, type StartedProcess } from '../started.ts';
import type { PeerSettings } from './peer-settings.ts';

const startDeadlineMs = 10_000;
const lookMs = 10;

/** Null where nginx is not on this machine. `pid` is the worker's. */
export async function startNginx(
  settings: PeerSettings & { readonly folder: string },
): Promise<StartedProcess | null> {
  const program = findBalancer('nginx');
  if (program === undefined) return null;
  const { folder, port } = settings;
  const file = path.join(folder, 'nginx.conf');
  await writeFile(file, configuration(settings));
  const command = [program, '-p', folder, '-e', 'stderr', '-c', file] as const;
  const started = startLogged({ command, folder, name: 'limit-nginx' });
  const endsAtMs = performance.now() + startDeadlineMs;
  while (!(await connects(port))) {
    if (performance.now() > endsAtMs) {
      await started.kill();
      throw new Error('nginx never listened');
    }
    await delay(lookMs);
  }
  return started;
}

function configuration({
  port,
  certFile,
  keyFile,
  clientCaFile,
  folder,
}: Parameters<typeof startNginx>[0]): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off; master_process off; error_log stderr warn; pid ${folder}/nginx.pid;
events {}
http {
  access_log off; keepalive_requests 100000000; client_body_buffer_size 64k;
  ${folders.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certFile}; ssl_certificate_key ${keyFile};
    ssl_client_certificate ${clientCaFile}; ssl_verify_client on; ssl_verify_depth 3; ssl_protocols TLSv1.3;
    location = /webhooks/lean { return 200; }
  }
}
`;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const end = (does: boolean) => () => {
      socket.destroy();
      resolve(does);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}
