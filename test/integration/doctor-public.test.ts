// `ops -- doctor` at PUBLIC_URL: what a stranger meets there, with real TLS; and an end where everything is silent.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDoctorStage, type DoctorStage, type Env } from '../support/doctor-stage.ts';
import type { TestServer } from '../support/receiver-server.ts';

let stage: DoctorStage;
beforeAll(async () => {
  stage = await openDoctorStage();
});
afterAll(() => stage.close());

const both = (changes: Env = {}) => stage.both(changes);
const doctor = (env: Env, ...argv: readonly string[]) => stage.examine(env, ...argv);
const lineOf = (check: string, env: Env) => stage.lineOf(check, env);
const at = (server: TestServer, pathname = '/webhooks/lean') =>
  both({ PUBLIC_URL: `${server.url}${pathname}` });

describe('PUBLIC_URL', () => {
  it('where only the signature counts answers a stranger 401, and another path is a problem', async () => {
    const server = await stage.startPublic('signature');
    const { of } = await doctor(at(server));
    expect(of('public path')).toMatchObject([{ state: 'ok', message: expect.stringContaining('POST') }]);
    expect(of('public stranger')).toMatchObject([
      { state: 'ok', message: expect.stringContaining('401 SIGNATURE_MISSING') },
    ]);
    expect(await lineOf('public path', at(server, '/elsewhere'))).toMatchObject({ state: 'problem' });
    expect(server.kept).toEqual([]);
  });

  it('where anybody is let in is a problem in capitals, and is not tried where that is meant', async () => {
    const server = await stage.startPublic('none');
    expect(await lineOf('public stranger', at(server))).toMatchObject({
      exit: 2,
      state: 'problem',
      message: expect.stringContaining('IS LET IN'),
    });
    const before = server.kept.length;
    expect(await lineOf('public stranger', { ...at(server), VERIFY: 'none' })).toMatchObject({
      state: 'warning',
    });
    expect(server.kept).toHaveLength(before);
    // Who does not know what the receiver verifies does not try it out.
    const { VERIFY: _verify, ...unknown } = at(server);
    const { of } = await doctor(unknown, '--role', 'both');
    expect(of('public stranger')).toMatchObject([
      { state: 'skipped', message: expect.stringContaining('VERIFY is not known') },
    ]);
    expect(server.kept).toHaveLength(before);
  });

  it('with a certificate of no public authority is a problem with the reason', async () => {
    const { pki } = stage.settings;
    const server = await stage.startPublic('signature', { ...pki, receiverServer: pki.leanServer });
    expect(await lineOf('public tls', at(server))).toMatchObject({
      state: 'problem',
      message: expect.stringMatching(/[A-Z_]{8,}/),
    });
  });

  it('where nobody listens cannot be reached', async () => {
    const { of, findings } = await doctor(both({ PUBLIC_URL: 'https://127.0.0.1:1/webhooks/lean' }));
    expect(of('public tls')).toMatchObject([
      { state: 'problem', message: expect.stringContaining('ECONNREFUSED') },
    ]);
    expect(findings.map(({ check }) => check)).not.toContain('public stranger');
  });
});

describe('everything silent', () => {
  it('still ends, and says of each that no answer came', async () => {
    const host = `127.0.0.1:${await stage.startSilence()}`;
    const env = both({
      REDIS_URL: `redis://${host}`,
      DATABASE_URL: `postgres://${host}/none`,
      LEAN_API_URL: `https://${host}`,
      PUBLIC_URL: `https://${host}/webhooks/lean`,
    });
    const { code, of } = await doctor(env, '--seconds', '2');
    expect(code).toBe(2);
    for (const check of ['redis', 'postgres', 'lean', 'public tls'])
      expect(of(check)).toMatchObject([{ check, state: 'problem' }]);
  });
});
