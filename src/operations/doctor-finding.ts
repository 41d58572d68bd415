// One line of `ops -- doctor`: what was looked at, how it is, what that means and what to do. Never holds a secret and
// never a byte of a customer's.
import { AppError } from '../core/app-error.ts';
import { DeadlineError, withDeadline } from '../core/deadline.ts';
import { failureCodes, type FailureCode } from '../core/failure-codes.ts';
import { oneLine } from './operator-output.ts';

/** `skipped`: not looked at here, and why; it counts for nothing. */
export type DoctorState = 'ok' | 'warning' | 'problem' | 'skipped';

export interface DoctorFinding {
  readonly check: string;
  readonly state: DoctorState;
  readonly message: string;
  /** What to do; null where there is nothing to do. */
  readonly cure: string | null;
  readonly code: FailureCode | null;
}

export function ok(check: string, message: string): DoctorFinding {
  return { check, state: 'ok', message, cure: null, code: null };
}

export function skipped(check: string, why: string): DoctorFinding {
  return { check, state: 'skipped', message: why, cure: null, code: null };
}

interface Ill {
  readonly message: string;
  readonly cure: string;
}

export function warning(check: string, { message, cure }: Ill): DoctorFinding {
  return { check, state: 'warning', message, cure, code: null };
}

export function problem(check: string, { message, cure }: Ill): DoctorFinding {
  return { check, state: 'problem', message, cure, code: null };
}

interface Coded {
  readonly state: 'warning' | 'problem';
  readonly code: FailureCode;
  /** What is so here; the code's own meaning when left out. */
  readonly message?: string;
}

/** With the cure that the table of failure codes has. */
export function coded(check: string, { state, code, message }: Coded): DoctorFinding {
  const { means, cure } = failureCodes[code];
  return { check, state, message: message ?? means, cure, code };
}

export interface DoctorLimits {
  /** Every look ends by then. */
  readonly lookMs: number;
  /** What a look gives those it asks, so that it can say itself who did not answer. */
  readonly answerMs: number;
}

const answerShare = 0.8;

/** For looks that begin now and have to end together. */
export function limitsOf(leftMs: number): DoctorLimits {
  const lookMs = Math.max(1, Math.round(leftMs));
  return { lookMs, answerMs: Math.max(1, Math.round(lookMs * answerShare)) };
}

/** What a look that fails comes to is a finding as well. */
export async function probed(
  check: string,
  { lookMs, look }: Pick<DoctorLimits, 'lookMs'> & { readonly look: () => Promise<readonly DoctorFinding[]> },
): Promise<readonly DoctorFinding[]> {
  try {
    return await withDeadline(look(), { deadlineMs: lookMs, what: check });
  } catch (error) {
    return [findingOf(check, error)];
  }
}

function findingOf(check: string, error: unknown): DoctorFinding {
  if (error instanceof AppError)
    return coded(check, { state: 'problem', code: error.code, message: oneLine(error.message) });
  if (error instanceof DeadlineError)
    return problem(check, {
      message: oneLine(error.message),
      cure: 'Something on the way swallows what is sent: look at firewalls, load and the disk, then run this again.',
    });
  const said = error instanceof Error ? error.message : 'no reason was given';
  return problem(check, {
    message: `could not be looked at: ${oneLine(said)}`,
    cure: 'Mend what it says, then run this again.',
  });
}

/** One line each, aligned. */
export function findingLines(findings: readonly DoctorFinding[]): string {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  return findings
    .map(({ check, state, message, cure, code }) => {
      const coda = [code === null ? '' : ` (${code})`, cure === null ? '' : ` -> ${oneLine(cure)}`].join('');
      return `${state.padEnd(8)} ${check.padEnd(width)}  ${oneLine(message)}${coda}`;
    })
    .join('\n');
}
