// Turns anything thrown into at most three short log fields. Never a stack, never the text of an error whose
// wording may quote what was being parsed or stored.
import { AppError } from '../core/app-error.ts';

export interface ErrorFields {
  readonly failure_code?: string;
  readonly error: string;
  readonly error_at?: string;
}

/** Node's own words about sockets, files and programming mistakes; they quote no payload. */
const quotable = new Set([
  'TypeError',
  'RangeError',
  'ReferenceError',
  'AssertionError',
  'TimeoutError',
  'AbortError',
]);

export function describeError(error: unknown): ErrorFields {
  const chain = [error, causeOf(error)].filter((part) => part !== undefined).map(words);
  const at = error instanceof AppError ? undefined : firstFrame(error);
  return {
    ...(error instanceof AppError && { failure_code: error.code }),
    error: chain.join(' <- '),
    ...(at !== undefined && { error_at: at }),
  };
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function words(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  if (!(error instanceof Error)) return typeof error;
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : '';
  const mayQuote = 'syscall' in error || quotable.has(error.name);
  return mayQuote ? `${error.name}${code}: ${error.message}` : `${error.name}${code}`;
}

/** `file.ts:12:3` of the place that threw, which is enough to find it. */
function firstFrame(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return /([^/\s(]+\.[a-z]+:\d+:\d+)\)?$/m.exec(error.stack ?? '')?.[1];
}
