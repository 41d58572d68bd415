// Turns anything thrown into at most three short log fields. Never a stack, never the text of an error whose
// wording may quote what was being parsed or stored.
import { AppError } from '../core/app-error.ts';
import { DeadlineError } from '../core/deadline.ts';

export interface ErrorFields {
  readonly failure_code?: string;
  readonly error: string;
  readonly error_at?: string;
}

export function describeError(error: unknown): ErrorFields {
  const chain = [error, causeOf(error)].filter((part) => part !== undefined).map(words);
  const at = firstFrame(error instanceof AppError ? unquoted(error.cause) : error);
  return {
    ...(error instanceof AppError && { failure_code: error.code }),
    error: chain.join(' <- '),
    ...(at !== undefined && { error_at: at }),
  };
}

/** Behind an error of ours the place matters only of a cause whose words are left out. */
function unquoted(cause: unknown): unknown {
  return cause instanceof Error && (cause instanceof AppError || isQuotable(cause)) ? undefined : cause;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function words(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  if (!(error instanceof Error)) return typeof error;
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  return isQuotable(error) ? `${error.name}${code}: ${error.message}` : `${error.name}${code}`;
}

/**
 * What the system says about sockets and files, and what we say of a deadline, quotes no payload. Anything else may:
 * even V8 quotes, when it says what a value is not. A name, a code and a place are enough to find a mistake.
 */
function isQuotable(error: Error): boolean {
  return error instanceof DeadlineError || ('syscall' in error && typeof error.syscall === 'string');
}

/** `file.ts:12:3` of the place that threw, which is enough to find it. */
function firstFrame(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // The stack opens with the message, which could look like a place.
  const { stack = '', message } = error;
  const messageAt = stack.indexOf(message);
  if (messageAt === -1) return undefined;
  const places = stack.slice(messageAt + message.length);
  return /^ +at .*?([^/\s(]+\.[a-z]+:\d+:\d+)\)?$/m.exec(places)?.[1];
}
