// Ids on their way into a URL or a request. Nothing is sent for an id that could mean anything but itself there.
import { AppError } from '../core/app-error.ts';

/**
 * Ids come from webhooks. Only characters that mean nothing in a URL pass, and no `.` or `..` alone. Throws
 * LEAN_ID_INVALID.
 */
export function urlId(id: string): string {
  if (!/^[A-Za-z0-9._~-]{1,200}$/.test(id) || /^\.+$/.test(id)) {
    throw new AppError('LEAN_ID_INVALID', `an id of ${id.length} characters does not fit into a URL`);
  }
  return encodeURIComponent(id);
}
