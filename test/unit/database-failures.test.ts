// Which failures of Postgres pass by themselves, so that no job spends an attempt on them.
import { describe, expect, it } from 'vitest';
import { databaseFailure } from '../../src/store/database-failures.ts';

const withCode = (code: string): Error => Object.assign(new Error('what it says'), { code });

describe('a failure of the database', () => {
  it.each([
    ['a certificate that is out of date', withCode('CERT_HAS_EXPIRED')],
    ['of another authority', withCode('UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
    ['of an authority that signed itself', withCode('SELF_SIGNED_CERT_IN_CHAIN')],
    ['of another name', withCode('ERR_TLS_CERT_ALTNAME_INVALID')],
    ['for another purpose', withCode('INVALID_PURPOSE')],
    ['a handshake that breaks off', withCode('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA')],
    ['the file of an authority that is being exchanged', withCode('ENOENT')],
    ['and may not be read yet', withCode('EACCES')],
    ['a server without TLS', new Error('The server does not support SSL connections')],
    ['a server that would not begin it', new Error('There was an error establishing an SSL connection')],
    ['a port where nobody listens', withCode('ECONNREFUSED')],
    ['the cause of another error', new Error('no batch', { cause: withCode('CERT_HAS_EXPIRED') })],
  ])('is an outage: %s', (_what, error) => {
    expect(databaseFailure(error)).toBe('away');
  });

  it.each([
    ['data', withCode('22P02')],
    ['data', withCode('23505')],
    ['slow', withCode('57014')],
    ['other', withCode('42501')],
    ['other', withCode('25P02')],
    ['other', withCode('ERR_INVALID_ARG_TYPE')],
    ['other', new Error('a bug')],
    ['other', 'no error at all'],
  ] as const)('is %s where it is one', (kind, error) => {
    expect(databaseFailure(error)).toBe(kind);
  });
});
