// Sorts what a statement may throw: is the database away, is it this row's data, or is it something else?
// Looks at SQLSTATE and Node's error codes; never at a message that could quote a customer's data.
import { handshakeCodeOf } from '../core/handshake-code.ts';
import { StatementTimeout } from './statement-limit.ts';

/**
 * `away`: try the same again later. `slow`: ran out of time, which means `away` while the database is, and is this
 * statement's own fault otherwise. `data`: the same row fails for ever. `other`: unexpected, a bug or a missing right.
 */
export type DatabaseFailure = 'away' | 'slow' | 'data' | 'other';

/** A statement ended for its time (`statement_timeout`, or an operator), and a lock not given in time. */
const slowStates = new Set(['57014', '55P03']);
/**
 * SQLSTATE classes (PostgreSQL manual, appendix A) that pass by themselves: connection exceptions, transaction
 * rollback (deadlock, serialization), insufficient resources, lock not available, operator intervention, system errors.
 */
const awayClasses = new Set(['08', '40', '53', '55', '57', '58']);
/**
 * A server that was turned into a replica, which ends with the failover; a transaction it ended for resting between two
 * statements, or for its length. 25P02, a statement after one that failed, is a bug: the first failure says why.
 */
const awayStates = new Set(['25006', '25P03', '25P04']);
/** Data exceptions, violated constraints, and limits of one row, such as a text too long for an index. */
const dataClasses = new Set(['22', '23', '54']);
/** The last two also of the files of certificates that the address names: they may be exchanged just now. */
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ENOENT',
  'EACCES',
]);
/** The wording of pg and pg-pool for a lost or silent connection, which they throw without any code. */
const connectionWording =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|The server does not support SSL connections|There was an error establishing an SSL connection|Cannot use a pool after calling end|PGlite is closed)/i;
const slowWording = /^(Query )?read timeout/i;

export function databaseFailure(error: unknown): DatabaseFailure {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    const kind = failureOf(cause);
    if (kind !== 'other') return kind;
  }
  return 'other';
}

function failureOf(error: Error): DatabaseFailure {
  if (error instanceof StatementTimeout) return 'slow';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) return failureOfWording(error.message);
  if (handshakeCodeOf(error) !== null) return 'away';
  if (slowStates.has(code)) return 'slow';
  if (socketCodes.has(code) || awayStates.has(code)) return 'away';
  if (!/^[0-9A-Z]{5}$/.test(code)) return 'other';
  const sqlClass = code.slice(0, 2);
  if (awayClasses.has(sqlClass)) return 'away';
  return dataClasses.has(sqlClass) ? 'data' : 'other';
}

function failureOfWording(message: string): DatabaseFailure {
  if (slowWording.test(message)) return 'slow';
  return connectionWording.test(message) ? 'away' : 'other';
}
