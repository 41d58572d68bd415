// `ops -- doctor` where Redis or Postgres is away, takes no writes, is another application's, or gives our role too little
// or too much: each says so in its own line, and holds up nothing else.
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorkersRole, openDoctorStage, type DoctorStage, type Env } from '../support/doctor-stage.ts';
import { openEventQueue } from '../../src/queue/work-queues.ts';
import { engines, needsRealEngines, startPrivateRedis, uniquePrefix } from '../support/engines.ts';

let stage: DoctorStage;
beforeAll(async () => {
  stage = await openDoctorStage();
});
afterAll(() => stage.close());

const both = (changes: Env = {}) => stage.both(changes);

const doctor = (env: Env, ...argv: readonly string[]) => stage.examine(env, ...argv);

const lineOf = (check: string, env: Env) => stage.lineOf(check, env);

describe('engines', () => {
  it('that are away are problems with their codes, and nothing else is held up by them', async () => {
    const nowhere = { REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/none' };
    const { code, findings } = await doctor(both(nowhere), '--seconds', '6');
    expect(code).toBe(2);
    const byCheck = Object.fromEntries(findings.map((finding) => [finding.check, finding]));
    expect(byCheck['redis']).toMatchObject({ state: 'problem', code: 'QUEUE_UNAVAILABLE' });
    expect(byCheck['postgres']).toMatchObject({ state: 'problem', code: 'DATABASE_AWAY' });
    expect(byCheck['lean']).toMatchObject({ state: 'ok' });
    expect(byCheck['journal disk']).toMatchObject({ state: 'ok' });
  });

  it('a database of another application is the wrong one', async () => {
    const { of } = await doctor(both({ LEAN_APP_TOKEN: 'another-application' }));
    expect(of('postgres schema')).toMatchObject([{ state: 'problem', code: 'WRONG_INSTALLATION' }]);
    expect(of('lean')).toMatchObject([{ state: 'problem', code: 'CERTIFICATE_TOKEN_MISMATCH' }]);
    expect(of('sweep')).toMatchObject([{ state: 'skipped' }]);
  });

  it('that are not of one installation are a problem, and a prefix nobody serves a warning once there are events', async () => {
    const { database } = stage.world.test;
    const prefix = uniquePrefix();
    const owner = () => lineOf('queue owner', both({ QUEUE_PREFIX: prefix }));
    const queue = openEventQueue({ url: engines.redisUrl, prefix, deadlineMs: 20_000 });
    try {
      expect(await owner()).toMatchObject({ state: 'ok' });
      await sql`insert into ${database.table('webhook_events')} (event_key, received_at, proof, body, body_sha256)
        values ('doctor', now(), 'signature', ''::bytea, '')`.execute(database.db);
      expect(await owner()).toMatchObject({
        state: 'warning',
        cure: expect.stringContaining('every receiver'),
      });
      await queue.publishInstallation('of-another-one');
      expect(await owner()).toMatchObject({ state: 'problem', code: 'WRONG_INSTALLATION', exit: 2 });
    } finally {
      await sql`delete from ${database.table('webhook_events')}`.execute(database.db);
      await queue.close();
    }
  });

  it('that take no writes are problems', async (context) => {
    needsRealEngines(context);
    const replica = await startPrivateRedis({ args: ['--replicaof', '127.0.0.1', '1'] });
    const role = await createWorkersRole(stage);
    try {
      await sql
        .raw(`alter role ${new URL(role.url).username} set default_transaction_read_only = on`)
        .execute(stage.world.test.database.db);
      const { of } = await doctor(both({ REDIS_URL: replica.url, DATABASE_URL: role.url }));
      expect(of('redis writes')).toMatchObject([
        { state: 'problem', message: expect.stringContaining('replica') },
      ]);
      expect(of('postgres')).toMatchObject([
        { state: 'problem', message: expect.stringContaining('takes no writes') },
      ]);
    } finally {
      await role.drop();
      await replica.stop();
    }
  });

  it('a role that may not even look says what it lacks, and one with too much what that is', async (context) => {
    needsRealEngines(context, 'postgres');
    const { schema, database } = stage.world.test;
    const role = await createWorkersRole(stage);
    const name = new URL(role.url).username;
    const change = (statement: string) => sql.raw(statement).execute(database.db);
    const env = both({ DATABASE_URL: role.url });
    try {
      await change(`grant truncate on ${schema}.accounts to ${name}`);
      expect(await lineOf('postgres rights', env)).toMatchObject({
        state: 'warning',
        message: expect.stringContaining('may truncate 1 of its tables'),
      });
      const asking = `execute on function ${schema}.ask_for(text, text, boolean)`;
      await change(`revoke ${asking} from ${name}`);
      expect(await lineOf('postgres rights', env)).toMatchObject({
        state: 'problem',
        message: expect.stringContaining('ask_for execute'),
      });
      for (const taken of [`select on ${schema}.schema_migrations`, `usage on schema ${schema}`]) {
        await change(`revoke ${taken} from ${name}`);
        const { of, findings } = await doctor(env);
        expect(of('postgres rights')).toMatchObject([
          { state: 'problem', cure: expect.stringContaining('npm run migrate') },
        ]);
        expect(findings.map(({ check }) => check)).not.toContain('postgres schema');
        expect(of('postgres')).toMatchObject([{ state: 'ok' }]);
      }
    } finally {
      await role.drop();
    }
  });

  it('a role that may not read one table is told so, and everything else is looked at all the same', async (context) => {
    needsRealEngines(context, 'postgres');
    const { schema, database } = stage.world.test;
    const role = await createWorkersRole(stage);
    const name = new URL(role.url).username;
    const change = (statement: string) => sql.raw(statement).execute(database.db);
    try {
      for (const table of ['webhook_events', 'payload_keys']) {
        await change(`revoke select on ${schema}.${table} from ${name}`);
        const { of } = await doctor(both({ DATABASE_URL: role.url }));
        const lacking = expect.stringContaining(`${table} select`);
        expect(of('postgres rights')).toMatchObject([{ state: 'problem', message: lacking }]);
        expect(of('sealed payloads')).toMatchObject([{ state: 'skipped', message: lacking }]);
        expect([...of('postgres'), ...of('postgres schema')]).toMatchObject([
          { state: 'ok' },
          { state: 'ok' },
        ]);
        expect(of('queue owner')).toMatchObject([{ state: table === 'payload_keys' ? 'ok' : 'skipped' }]);
        await change(`grant select on ${schema}.${table} to ${name}`);
      }
    } finally {
      await role.drop();
    }
  });

  it('a schema that was never migrated, and a role without rights, say what to run', async (context) => {
    needsRealEngines(context, 'postgres');
    const line = await lineOf('postgres schema', both({ DATABASE_SCHEMA: 'nobody_made_this' }));
    expect(line).toMatchObject({ code: 'SCHEMA_OUTDATED', cure: expect.stringContaining('npm run migrate') });
    const role = await createWorkersRole(stage);
    try {
      await sql
        .raw(`revoke delete on ${stage.world.test.schema}.accounts from ${new URL(role.url).username}`)
        .execute(stage.world.test.database.db);
      expect(await lineOf('postgres rights', both({ DATABASE_URL: role.url }))).toMatchObject({
        state: 'problem',
        message: expect.stringContaining('accounts delete'),
        cure: expect.stringContaining('npm run migrate'),
      });
    } finally {
      await role.drop();
    }
  });
});
