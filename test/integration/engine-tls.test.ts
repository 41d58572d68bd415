// TLS to Redis and to Postgres with a certificate of an authority that nobody else knows: used where it is trusted, and where
// it is not nothing passes and who asks is told why. A receiver and a worker as real processes.
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngineTls } from '../support/engine-tls.ts';
import { needsRealEngines, startPrivatePostgres, startPrivateRedis } from '../support/engines.ts';
import { freePort } from '../support/engines-processes.ts';
import { answersOf } from '../support/faults-receiver.ts';
import { longTests } from '../support/long-tests.ts';
import { nodeCommand, root, runProcess } from '../support/processes.ts';
import { askDoctor, startPair, wellKeptRedis } from '../support/served-pair.ts';

const startDeadlineMs = 60_000;
const testTimeoutMs = 400_000;
/** OpenSSL's words for an authority that is not known. */
const noTrust =
  /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT|CERT_SIGNATURE_FAILURE/;

const closers: (() => unknown)[] = [];
beforeEach((context) => context.skip(!longTests, 'takes long: LONG_TESTS=1'));
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

describe('rediss:// with a password and an authority of our own', () => {
  it(
    'is spoken where NODE_EXTRA_CA_CERTS names the authority; elsewhere nothing passes, and who is not trusted is said',
    { timeout: testTimeoutMs },
    async (context) => {
      needsRealEngines(context);
      const tls = await createEngineTls();
      closers.push(() => tls.remove());
      const port = await freePort();
      const password = 'p@ss:w/rd,%';
      const redis = await startPrivateRedis({
        args: ['--appendonly', 'yes', '--requirepass', password, ...tls.redisArgs(port)],
      });
      closers.push(() => redis.stop());
      const redisUrl = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${port}`;
      const wrongCa = { NODE_EXTRA_CA_CERTS: tls.wrongCaFile };
      const pair = await startPair({ redisUrl, env: wrongCa });
      closers.push(() => pair.close());
      const { stage, receiver, worker, env } = pair;
      expect(answersOf(await stage.deliver(16))).toEqual({ 200: 16 });
      const lost = await receiver.process.line('queue_state');
      expect(lost).toMatchObject({ outcome: 'lost', failure_code: 'QUEUE_UNAVAILABLE' });
      expect(lost['error']).toMatch(noTrust);
      expect(await askDoctor('redis', env)).toMatchObject([
        { state: 'problem', code: 'QUEUE_UNAVAILABLE', message: expect.stringMatching(noTrust) },
      ]);

      receiver.process.kill('SIGTERM');
      worker.kill('SIGTERM');
      await Promise.all([receiver.process.exited, worker.exited]);
      const trusting = { ...env, NODE_EXTRA_CA_CERTS: tls.caFile };
      const again = await stage.start({ NODE_EXTRA_CA_CERTS: tls.caFile });
      pair.startWorker(trusting);
      expect(answersOf(await stage.deliver(16))).toEqual({ 200: 16 });
      await pair.expectAllDone(again);
      expect(await askDoctor('redis', trusting)).toMatchObject(wellKeptRedis);
      const wrong = redisUrl.replace('p%40ss', 'another');
      expect(await askDoctor('redis', { ...trusting, REDIS_URL: wrong })).toMatchObject([
        { state: 'problem', code: 'QUEUE_UNAVAILABLE' },
      ]);
    },
  );
});

describe('Postgres over TLS alone', () => {
  it(
    'is used with sslmode=verify-full and its authority; with another one nothing is, and each says why',
    { timeout: testTimeoutMs },
    async (context) => {
      needsRealEngines(context);
      const tls = await createEngineTls();
      closers.push(() => tls.remove());
      const postgres = await startPrivatePostgres({ args: tls.postgresArgs });
      closers.push(() => postgres.stop());
      const urlWith = (caFile: string) => `${postgres.url}?sslmode=verify-full&sslrootcert=${caFile}`;
      const pair = await startPair({ databaseUrl: urlWith(tls.caFile) });
      closers.push(() => pair.close());
      const { world, stage, env } = pair;
      await stage.deliver(32);
      await pair.expectAllDone();
      const { rows } = await sql<{ who: string; over_tls: boolean }>`
        select distinct application_name as who, ssl as over_tls
        from pg_stat_ssl join pg_stat_activity using (pid)
        where application_name like 'lean-worker%' order by who`.execute(world.test.database.db);
      expect(rows).toEqual([
        { who: 'lean-worker', over_tls: true },
        { who: 'lean-worker-listen', over_tls: true },
      ]);
      expect(await askDoctor('postgres', env)).toContainEqual(
        expect.objectContaining({ check: 'postgres', state: 'ok' }),
      );

      for (const databaseUrl of [urlWith(tls.wrongCaFile), urlWith('/missing/root.pem')]) {
        const wrong = { ...env, DATABASE_URL: databaseUrl };
        const why = databaseUrl.includes('missing') ? /ENOENT/ : noTrust;
        expect(await askDoctor('postgres', wrong)).toMatchObject([
          { state: 'problem', code: 'DATABASE_AWAY', message: expect.stringMatching(why) },
        ]);
        const waiting = pair.startWorker(wrong);
        const away = await waiting.line('database_state', startDeadlineMs);
        expect(away).toMatchObject({ outcome: 'away', failure_code: 'DATABASE_AWAY' });
        expect(away['error']).toMatch(why);
        const command = nodeCommand('src/main-migrate.ts');
        const migrated = await runProcess({ command, cwd: root, env: wrong });
        expect(migrated).toMatchObject({ code: 1, stderr: expect.stringContaining('MIGRATION_FAILED') });
      }
    },
  );
});
