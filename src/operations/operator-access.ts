// Who may see the operator's pages: whoever holds OPS_TOKEN. Keeps only its hash, compares in constant time, and never
// repeats what somebody offered in its place.
import { createHash, timingSafeEqual } from 'node:crypto';

export type Admission = 'admitted' | 'none_offered' | 'wrong';

export interface OperatorAccess {
  /** Of an `Authorization` header: Bearer, or Basic with any user, as browsers ask for it. */
  judge(authorization: string | undefined): Admission;
}

export function createOperatorAccess(token: string): OperatorAccess {
  const expected = sha256(token);
  return {
    judge(authorization) {
      if (authorization === undefined || authorization === '') return 'none_offered';
      const offered = offeredToken(authorization);
      return offered !== null && timingSafeEqual(sha256(offered), expected) ? 'admitted' : 'wrong';
    },
  };
}

function offeredToken(authorization: string): string | null {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return null;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon === -1 ? null : pair.slice(colon + 1);
}

/** Equal lengths, whatever was offered. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
