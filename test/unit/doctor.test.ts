// What `ops -- doctor` makes of facts that no engine of a test can be brought to show, and its exit code.
import { describe, expect, it } from 'vitest';
import type { Config } from '../../src/config/load-config.ts';
import type { LeanReply } from '../../src/lean/lean-reply.ts';
import { failureOfNetwork, failureOfReply } from '../../src/lean/lean-failures.ts';
import { noFacts } from '../../src/lean/lean-reply.ts';
import { judgeClock, timed } from '../../src/operations/doctor-clock.ts';
import { judgeConfiguration, rolesOf, wrongVariables } from '../../src/operations/doctor-configuration.ts';
import { findingLines, ok, problem, skipped, warning } from '../../src/operations/doctor-finding.ts';
import { judgeDisk, judgeStatus, placeFinding } from '../../src/operations/doctor-journal.ts';
import { judgeLeanReply, judgeSweep } from '../../src/operations/doctor-lean.ts';
import {
  judgeKeys,
  judgeRights,
  judgeWrites as judgeDatabaseWrites,
} from '../../src/operations/doctor-postgres.ts';
import { judgeQueueOwner } from '../../src/operations/doctor-queue-owner.ts';
import { judgePrefix, judgeReach, judgeSettings, judgeWrites } from '../../src/operations/doctor-redis.ts';
import { exitCodeOf } from '../../src/operations/ops-certificates.ts';
import { parseRedisWrites } from '../../src/queue/redis-facts.ts';
import { planSweeps } from '../../src/worker/sweep-plan.ts';

const ill = { message: 'so', cure: 'do' };

describe('the doctor’s exit code', () => {
  it('is the worst of what was found; what was skipped counts for nothing', () => {
    expect(exitCodeOf([])).toBe(0);
    expect(exitCodeOf([ok('a', 'b'), skipped('c', 'd')])).toBe(0);
    expect(exitCodeOf([ok('a', 'b'), warning('c', ill)])).toBe(1);
    expect(exitCodeOf([problem('a', ill), warning('c', ill)])).toBe(2);
  });

  it('comes with one line each, whatever somebody else wrote into it', () => {
    const lines = findingLines([ok('a', 'x\n\u001B[31my'), warning('bc', ill)]).split('\n');
    expect(lines).toEqual(['ok       a   x [31my', 'warning  bc  so -> do']);
  });
});

describe('the role of an environment', () => {
  it('shows by what only that role needs', () => {
    expect(rolesOf({})).toEqual([]);
    expect(rolesOf({ VERIFY: 'signature', DATABASE_URL: '' })).toEqual(['receiver']);
    expect(rolesOf({ LEAN_APP_TOKEN_FILE: '/run/token' })).toEqual(['worker']);
    expect(rolesOf({ VERIFY: 'nonsense', DATABASE_URL: 'x' })).toEqual(['receiver', 'worker']);
  });
});

const whyNoWorker = (env: Record<string, string>) =>
  judgeConfiguration(env, ['receiver']).find(({ check }) => check === 'worker part')?.message;

describe('a role that was not asked for', () => {
  it('is only said to be missing where it is', () => {
    expect(whyNoWorker({ VERIFY: 'signature', DATABASE_URL: 'postgres://localhost/x' })).toBe(
      'not asked for: --role',
    );
    expect(whyNoWorker({ VERIFY: 'signature' })).toContain('none of DATABASE_URL');
  });
});

describe('variables that cannot be used', () => {
  it('go by their own names, also where a file is to blame or two keys are one', () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    const env = {
      LEAN_API_URL: 'http://plain.example',
      LEAN_CLIENT_SECRET_FILE: '/nowhere/at/all',
      LEAN_KEY_FILE: '/alone.key',
      PAYLOAD_KEYS: `${key},${key}`,
      REDIS_URL: 'redis://127.0.0.1:6379',
    };
    expect([...wrongVariables(env)].toSorted()).toEqual(
      ['LEAN_API_URL', 'LEAN_CERT_FILE', 'LEAN_CLIENT_SECRET', 'PAYLOAD_KEYS'].toSorted(),
    );
    // Reads as the same 32 bytes, and is not how anybody writes them.
    expect([...wrongVariables({ PAYLOAD_KEYS: key.replace(/c=$/, 'd=') })]).toEqual(['PAYLOAD_KEYS']);
  });
});

const clockState = (aheadMs: number) => judgeClock([{ whose: 'Lean', aheadMs }], new Date(0)).state;

describe('clocks', () => {
  it('that differ by seconds are well, by more a warning, by minutes a problem, either way', () => {
    expect([0, 9_000, -9_000].map(clockState)).toEqual(['ok', 'ok', 'ok']);
    expect([10_000, -60_000].map(clockState)).toEqual(['warning', 'warning']);
    expect([120_000, -86_400_000].map(clockState)).toEqual(['problem', 'problem']);
    expect(judgeClock([], new Date(0)).state).toBe('skipped');
  });

  it('are compared with the moment half way through the question', async () => {
    const beforeMs = Date.now();
    const { answer, askedAtMs } = await timed(() => Promise.resolve('now'));
    expect(answer).toBe('now');
    expect(askedAtMs).toBeGreaterThanOrEqual(beforeMs);
    expect(askedAtMs).toBeLessThanOrEqual(Date.now());
  });
});

const writes = (info: string, isClusterUrl = false) =>
  judgeWrites({ writes: parseRedisWrites(info.replaceAll(' ', '\r\n')), isClusterUrl });

describe('Redis', () => {
  const keeps = { version: '7.4.1', evictionPolicy: 'noeviction', keepsAppendOnlyFile: true };

  it('that throws keys away is a problem in production and a warning elsewhere', () => {
    const evicting = { ...keeps, evictionPolicy: 'allkeys-lru' };
    expect(judgeSettings(evicting, true)).toMatchObject([{ state: 'problem', code: 'REDIS_EVICTS' }]);
    expect(judgeSettings(evicting, false)).toMatchObject([{ state: 'warning', code: 'REDIS_EVICTS' }]);
    expect(judgeSettings(keeps, true)).toMatchObject([{ state: 'ok' }]);
    expect(judgeSettings(null, true)).toMatchObject([{ code: 'REDIS_SETTINGS_UNKNOWN' }]);
  });

  it('that is old or far away says so', () => {
    const near = { roundTripMs: 0.4, facts: keeps };
    expect(judgeReach(near).state).toBe('ok');
    expect(judgeReach({ ...near, facts: { ...keeps, version: '4.0.9' } }).state).toBe('problem');
    expect(judgeReach({ ...near, facts: null }).state).toBe('ok');
    expect(judgeReach({ ...near, roundTripMs: 80 }).state).toBe('warning');
  });

  it('that refuses every write is a problem: a replica, a full one, one whose disk failed', () => {
    const well =
      'role:master used_memory:100 maxmemory:1000 aof_last_write_status:ok rdb_last_bgsave_status:ok';
    expect(writes(well).state).toBe('ok');
    expect(writes('').state).toBe('ok');
    expect(judgeWrites({ writes: null, isClusterUrl: false }).state).toBe('skipped');
    expect(writes('role:slave master_link_status:down')).toMatchObject({
      state: 'problem',
      message: expect.stringContaining('down'),
    });
    // Any node of a Cluster may answer INFO.
    expect(writes('role:slave master_link_status:up', true).state).toBe('ok');
    expect(writes(well.replace('100', '950')).state).toBe('warning');
    expect(writes(well.replace('used_memory:100', 'used_memory:1000')).state).toBe('problem');
    expect(writes('used_memory:100 maxmemory:0').state).toBe('ok');
    for (const status of ['aof_last_write_status', 'rdb_last_bgsave_status'])
      expect(writes(well.replace(`${status}:ok`, `${status}:err`))).toMatchObject({
        state: 'problem',
        message: expect.stringContaining('MISCONF'),
      });
  });

  it('as a Cluster needs several nodes in its address and braces in the prefix', () => {
    const cluster = { isClusterUrl: true, isClusterServer: true };
    const single = { isClusterUrl: false, isClusterServer: null };
    expect(judgePrefix('{lean-sandbox-ae}', cluster).state).toBe('ok');
    expect(judgePrefix('lean', cluster)).toMatchObject({
      state: 'problem',
      message: expect.stringContaining('CROSSSLOT'),
    });
    expect(judgePrefix('{}lean', cluster).state).toBe('problem');
    expect(judgePrefix('lean', single).state).toBe('ok');
    expect(judgePrefix('{lean}', { ...single, isClusterServer: true }).state).toBe('problem');
    expect(judgePrefix(undefined, single).state).toBe('skipped');
  });

  it('that nobody serves behind the prefix is a warning once there are events, and another’s queues are a problem', () => {
    const used = { installationId: 'ours', hasEvents: true };
    const unused = { ...used, hasEvents: false };
    const prefix = '{lean}';
    expect(judgeQueueOwner({ prefix, inRedis: 'ours', inDatabase: used }).state).toBe('ok');
    expect(judgeQueueOwner({ prefix, inRedis: null, inDatabase: unused }).state).toBe('ok');
    expect(judgeQueueOwner({ prefix, inRedis: null, inDatabase: used })).toMatchObject({
      state: 'warning',
      message: expect.stringContaining('QUEUE_PREFIX'),
    });
    for (const inDatabase of [used, unused])
      expect(judgeQueueOwner({ prefix, inRedis: 'theirs', inDatabase })).toMatchObject({
        state: 'problem',
        code: 'WRONG_INSTALLATION',
      });
    expect(judgeQueueOwner({ prefix, inRedis: undefined, inDatabase: used }).state).toBe('skipped');
    expect(judgeQueueOwner({ prefix, inRedis: null, inDatabase: undefined }).state).toBe('skipped');
  });
});

describe('Postgres', () => {
  const facts = {
    version: '17',
    role: 'worker',
    readOnly: null,
    hasTables: true,
    lacking: [],
    isBlind: false,
    excess: [],
  };

  it('that takes no writes is a problem', () => {
    expect(judgeDatabaseWrites(facts).state).toBe('ok');
    expect(judgeDatabaseWrites({ ...facts, readOnly: 'it is a standby' })).toMatchObject({
      state: 'problem',
      message: expect.stringContaining('takes no writes'),
    });
  });

  it('lets a worker read and write rows, and neither less nor more', () => {
    expect(judgeRights(facts).state).toBe('ok');
    expect(judgeRights({ ...facts, excess: ['is a superuser'] }).state).toBe('warning');
    const lacking = Array.from({ length: 7 }, (_, index) => `t${index} delete`);
    expect(judgeRights({ ...facts, lacking })).toMatchObject({
      state: 'problem',
      message: expect.stringContaining('and 2 more'),
    });
  });

  it('with events sealed by a key that is not here is a problem, with older bodies a warning', () => {
    expect(judgeKeys({ needed: [], unused: [] }).state).toBe('ok');
    expect(judgeKeys({ needed: [], unused: ['k'] }).state).toBe('warning');
    expect(judgeKeys({ needed: ['k'], unused: [] })).toMatchObject({
      state: 'problem',
      code: 'PAYLOAD_KEY_MISSING',
    });
  });
});

/** Of a production's journal. */
function place(changes: Partial<Config>, passing: string | null = 'is on tmpfs') {
  const config = {
    JOURNAL_DIR: '/j',
    JOURNAL_PERSISTENT: undefined,
    LEAN_ENVIRONMENT: 'production',
  } as const;
  return placeFinding({ ...config, ACK_AFTER: 'journal', ...changes }, passing).state;
}

describe('the journal', () => {
  const config = { JOURNAL_DIR: '/j', JOURNAL_LIMIT_BYTES: 1024 ** 3, JOURNAL_DEADLINE_MS: 2_000 };
  const disk = { exists: true, freeBytes: 10 * 1024 ** 3, syncMs: 2 };
  const judge = (changes: Partial<typeof disk>, usedBytes = 0) =>
    judgeDisk({ ...disk, ...changes }, { config, usedBytes }).state;

  it('wants a disk with room that syncs fast', () => {
    expect(judge({})).toBe('ok');
    expect(judge({ syncMs: 300 })).toBe('warning');
    expect(judge({ syncMs: 2_500 })).toBe('problem');
    expect(judge({ freeBytes: 512 * 1024 ** 2 })).toBe('warning');
    expect(judge({ freeBytes: 600 * 1024 ** 2 }, 700 * 1024 ** 2)).toBe('ok');
    expect(judge({ freeBytes: 1024 ** 2 })).toBe('problem');
  });

  it('wants a place that lasts, as a receiver does at its start', () => {
    expect(place({})).toBe('problem');
    expect(place({ LEAN_ENVIRONMENT: 'sandbox' })).toBe('warning');
    expect([place({ ACK_AFTER: 'stored' }), place({ JOURNAL_PERSISTENT: 'yes' }), place({}, null)]).toEqual([
      'ok',
      'ok',
      'ok',
    ]);
  });

  it('that fills up is a warning, from 90 % on a problem', () => {
    const status = {
      journalId: 'j',
      rows: 3,
      batches: 1,
      bytes: 1024,
      oldestReceivedAt: null,
      installation: null,
      isHeld: true,
    };
    const states = [0.1, 0.6, 0.95].map(
      (share) => judgeStatus({ ...status, bytes: share * config.JOURNAL_LIMIT_BYTES }, config).state,
    );
    expect(states).toEqual(['ok', 'warning', 'problem']);
    expect(judgeStatus(null, config).state).toBe('ok');
    expect(judgeStatus({ ...status, isHeld: false }, config).state).toBe('warning');
  });
});

const facts = { ...noFacts, operation: 'events', durationMs: 5 } as const;

function failed(code: string): LeanReply<unknown> {
  return { kind: 'failed', failure: failureOfNetwork(code), facts: { ...facts, networkError: code } };
}

describe('Lean', () => {
  const good: LeanReply<unknown> = { kind: 'pending', resultsId: 'r', facts };
  const denied: LeanReply<unknown> = {
    kind: 'failed',
    failure: failureOfReply({ httpStatus: 403, reply: null }),
    facts: { ...facts, httpStatus: 403 },
  };

  const busy: LeanReply<unknown> = {
    kind: 'failed',
    failure: failureOfReply({ httpStatus: 503, reply: null }),
    facts: { ...facts, httpStatus: 503 },
  };

  it('that is merely busy is a warning, one that cannot be reached or is silent a problem', () => {
    expect(judgeLeanReply('lean', busy, { good: '' }).state).toBe('warning');
    for (const code of ['CERT_HAS_EXPIRED', 'UND_ERR_CONNECT_TIMEOUT', 'CALL_DEADLINE'])
      expect(judgeLeanReply('lean', failed(code), { good: '' })).toMatchObject({
        state: 'problem',
        message: expect.stringContaining(code),
      });
  });

  it('that gives a list neither nor refuses it is a warning that claims nothing', () => {
    const plan = planSweeps({ region: 'ae', apiVersion: 'v2', hasClientSecret: true, staleHours: 24 });
    for (const passing of [busy, failed('CALL_DEADLINE')])
      for (const lists of [
        { entities: good, events: passing },
        { entities: passing, events: good },
      ]) {
        const found = judgeSweep(plan, lists);
        expect(found).toMatchObject({ state: 'warning', message: expect.stringContaining('not known now') });
        expect(found.message).not.toContain('recover');
      }
  });

  it('that refuses its list of events leaves the other sweeps, and says what they bring back', () => {
    const plan = planSweeps({ region: 'ae', apiVersion: 'v2', hasClientSecret: true, staleHours: 24 });
    expect(judgeSweep(plan, { entities: good, events: good }).state).toBe('ok');
    expect(judgeSweep(plan, { entities: good, events: denied })).toMatchObject({
      state: 'warning',
      code: 'LEAN_ACCESS_DENIED',
      message: expect.stringContaining(plan.whenDenied?.recovers ?? 'nothing'),
    });
    expect(judgeSweep(plan, { entities: denied, events: good }).state).toBe('problem');
  });
});
