// Addresses of listeners: what a failed `listen` means to the operator, and how a listener is called from here.
import { AppError } from './app-error.ts';

/** PORT_IN_USE naming the variable when the address was the trouble; any other error as it is. */
export function listenFailure(
  error: unknown,
  { variable, port }: { variable: string; port: number },
): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reasons = new Map<unknown, string>([
    ['EADDRINUSE', 'is taken by another process'],
    ['EACCES', 'may not be used by this user'],
  ]);
  const reason = reasons.get(code);
  return reason === undefined
    ? error
    : new AppError('PORT_IN_USE', `${variable}: port ${port} ${reason}`, { cause: error });
}

/** The authority part of a URL that reaches the listener from this machine; wildcard addresses become loopback. */
export function reachableAuthority({ host, port }: { host: string; port: number }): string {
  if (host === '0.0.0.0') return `127.0.0.1:${port}`;
  if (host === '::') return `[::1]:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
