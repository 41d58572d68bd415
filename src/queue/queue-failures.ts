// Why Redis did not do what was asked, as one of a few words that can be counted. Looks at codes and at the first word of
// Redis's own refusals, never at a text that could quote a job.
import { DeadlineError } from '../core/deadline.ts';
import { handshakeCodeOf } from '../core/handshake-code.ts';
import { refusalWordOf } from './connections.ts';

/**
 * `timeout`: no answer in time, so it may have been done. `oom`: no room, in memory or on its disk. `connection`: not to
 * be reached, or lost under way.
 */
export type QueueFailureReason = 'timeout' | 'oom' | 'readonly' | 'noauth' | 'connection' | 'other';

const reasonsByWord: Readonly<Record<string, QueueFailureReason>> = {
  OOM: 'oom',
  MISCONF: 'oom',
  READONLY: 'readonly',
  NOAUTH: 'noauth',
  WRONGPASS: 'noauth',
  NOPERM: 'noauth',
  // What a Cluster says that cannot reach the node with our keys.
  CLUSTERDOWN: 'connection',
};
/** The driver's wordings, which come without a code. */
const connectionWording =
  /^(Connection is closed|Stream isn't writeable|Reached the max retries|Failed to refresh slots|All sentinels are|Cluster isn't ready|Too many Cluster redirections|None of startup nodes|Cluster is (ended|disconnect)|Command aborted due to connection close)/;
/** The system's for a connection that failed; what begins with ERR_ is a mistake in a program, or of a handshake. */
const connectionCode = /^E(?!RR_)[A-Z_]+$/;
const timeoutWording = /^(Command timed out|Socket timeout)/;
const causesLimit = 5;

/** Of whatever an operation of a queue threw. A refusal says more than the deadline that ended for it. */
export function queueFailureReason(error: unknown): QueueFailureReason {
  const reasons: QueueFailureReason[] = [];
  for (let cause = error; cause instanceof Error && reasons.length < causesLimit; cause = cause.cause)
    reasons.push(reasonOf(cause));
  const told = reasons.find((reason) => reason !== 'other' && reason !== 'timeout');
  return told ?? (reasons.includes('timeout') ? 'timeout' : 'other');
}

function reasonOf(error: Error): QueueFailureReason {
  const word = refusalWordOf(error);
  if (word !== null) return reasonsByWord[word] ?? 'other';
  if (error instanceof DeadlineError || timeoutWording.test(error.message)) return 'timeout';
  const isOfSocket = 'code' in error && typeof error.code === 'string' && connectionCode.test(error.code);
  return isOfSocket || handshakeCodeOf(error) !== null || connectionWording.test(error.message)
    ? 'connection'
    : 'other';
}
