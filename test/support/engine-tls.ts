// What Redis and Postgres need to speak TLS: a certificate of an authority that only this deployment knows, as files, and
// the file of another authority, which issued nothing here. Starts nothing.
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { postgresOwner } from './engines-processes.ts';
import { createAuthority, issueLeaf } from './pki.ts';

export interface EngineTls {
  /** Of the authority that issued the certificate. */
  readonly caFile: string;
  /** Of another one with the same name. */
  readonly wrongCaFile: string;
  /** More of Redis's command line: TLS on `port`, without certificates of clients. */
  redisArgs(port: number): readonly string[];
  /** Settings of Postgres: TLS on its one port, and nobody without. */
  readonly postgresArgs: readonly string[];
  remove(): Promise<void>;
}

/** For 127.0.0.1 and localhost. */
export async function createEngineTls(): Promise<EngineTls> {
  const dir = await mkdtemp(path.join(tmpdir(), 'engine-tls-'));
  // Postgres may run as another user, which has to pass through.
  await chmod(dir, 0o711);
  const [authority, other] = [await privateAuthority(), await privateAuthority()];
  // The nodes of a Cluster call each other with it as well.
  const { certPem, keyPem } = await issueLeaf({
    issuer: authority,
    sans: ['dns:localhost', 'ip:127.0.0.1'],
    eku: ['serverAuth', 'clientAuth'],
  });
  const write = async (name: string, text: string, mode: number): Promise<string> => {
    const file = path.join(dir, name);
    await writeFile(file, text, { mode });
    return file;
  };
  const caFile = await write('ca.pem', authority.certificate.toString('pem'), 0o644);
  const wrongCaFile = await write('another-ca.pem', other.certificate.toString('pem'), 0o644);
  const certFile = await write('engine.crt', certPem, 0o644);
  const keyFile = await write('redis.key', keyPem, 0o600);
  const postgresKeyFile = await write('postgres.key', keyPem, 0o600);
  const { uid, gid } = postgresOwner();
  if (uid !== undefined && gid !== undefined) await chown(postgresKeyFile, uid, gid);
  const hbaFile = await write('pg_hba.conf', 'hostssl all all 127.0.0.1/32 trust\n', 0o644);
  return {
    caFile,
    wrongCaFile,
    redisArgs: (port) =>
      [
        ['--tls-port', String(port)],
        ['--tls-auth-clients', 'no'],
        ['--tls-cert-file', certFile],
        ['--tls-key-file', keyFile],
        ['--tls-ca-cert-file', caFile],
      ].flat(),
    postgresArgs: [
      'ssl=on',
      `ssl_cert_file=${certFile}`,
      `ssl_key_file=${postgresKeyFile}`,
      `hba_file=${hbaFile}`,
    ],
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

function privateAuthority() {
  return createAuthority({ name: 'CN=Database CA,O=Private' });
}
