// What a failure of Redis is counted as.
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/app-error.ts';
import { DeadlineError } from '../../src/core/deadline.ts';
import { queueFailureReason } from '../../src/queue/queue-failures.ts';

const unavailable = (cause: unknown): AppError =>
  new AppError('QUEUE_UNAVAILABLE', 'adding a batch failed', { cause });
const withCode = (code: string): Error => Object.assign(new Error(`connect ${code} 127.0.0.1`), { code });
/** As a server before Redis 7 says what was refused within a script. */
const inScript = (refusal: string): Error =>
  new Error(
    `ERR Error running script (call to f_5b1bc6be2d3b1e5fb4a8d6f4a0c2a0b6f6a6b0a5): @user_script:1: @user_script: 1: -${refusal}`,
  );

describe('the reason of a failure of Redis', () => {
  it.for([
    ['timeout', new DeadlineError('adding a batch: no answer within 2000 ms')],
    ['timeout', new Error('Command timed out')],
    ['timeout', new Error("Socket timeout. Expecting data, but didn't receive any in 4000ms.")],
    ['oom', new Error("OOM command not allowed when used memory > 'maxmemory'.")],
    ['oom', new Error('MISCONF Redis is configured to save RDB snapshots')],
    ['readonly', new Error("READONLY You can't write against a read only replica.")],
    ['noauth', new Error('NOAUTH Authentication required.')],
    ['noauth', new Error('WRONGPASS invalid username-password pair')],
    ['noauth', new Error("NOPERM this user has no permissions to run the 'evalsha' command")],
    ['readonly', inScript("READONLY You can't write against a read only replica.")],
    ['oom', inScript("OOM command not allowed when used memory > 'maxmemory'.")],
    ['connection', withCode('ECONNREFUSED')],
    ['connection', withCode('ECONNRESET')],
    ['connection', withCode('EAI_AGAIN')],
    ['connection', withCode('CERT_HAS_EXPIRED')],
    ['connection', withCode('DEPTH_ZERO_SELF_SIGNED_CERT')],
    ['connection', withCode('SELF_SIGNED_CERT_IN_CHAIN')],
    ['connection', withCode('UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
    ['connection', withCode('ERR_TLS_CERT_ALTNAME_INVALID')],
    ['connection', withCode('ERR_SSL_WRONG_VERSION_NUMBER')],
    ['connection', new Error('Connection is closed.')],
    ['connection', new Error("Cluster isn't ready and enableOfflineQueue options is false")],
    ['connection', new Error('None of startup nodes is available')],
    ['connection', new Error('Too many Cluster redirections. Last error: Error: Connection is closed.')],
    ['connection', new Error('CLUSTERDOWN The cluster is down')],
    ['connection', withCode('INVALID_PURPOSE')],
    ['connection', new Error('Cluster is disconnecting.')],
    ['connection', new Error('Cluster is ended.')],
    ['connection', new Error('Command aborted due to connection close')],
    ['connection', new Error("Stream isn't writeable and enableOfflineQueue options is false")],
    ['other', new Error('LOADING Redis is loading the dataset in memory')],
    ['other', new Error('3 of 50 jobs were refused')],
    ['other', new Error('ERR Error running script (call to f_5b1): @user_script:1: nil value')],
    ['other', withCode('ERR_INVALID_ARG_TYPE')],
    ['other', 'no error at all'],
  ] as const)('is %s, also as the cause of our own error: %s', ([reason, cause]) => {
    expect(queueFailureReason(cause)).toBe(reason);
    expect(queueFailureReason(unavailable(cause))).toBe(reason);
  });

  it('is the refusal, when a deadline ended the wait for a server that refuses', () => {
    const refused = new Error('NOAUTH Authentication required.');
    const waited = new DeadlineError('connecting to Redis: no answer within 2000 ms', { cause: refused });
    expect(queueFailureReason(unavailable(waited))).toBe('noauth');
  });

  it('is found in bounded time when causes go round in a circle', () => {
    const error = new Error('round');
    error.cause = error;
    expect(queueFailureReason(error)).toBe('other');
  });
});
