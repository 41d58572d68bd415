// An entity, from a webhook's payload or from GET /customers/v1/{customer}/entities/{entity}: the same thing in two
// spellings (permissions as a list or as a map, the bank inside `bank_details` or as `bank_identifier`).
import { z } from 'zod';
import { isJsonObject } from '../core/lossless-json.ts';
import { anything, wireId, wireObject, wireOptionalId, wireText } from './wire-values.ts';

/** `["a","b"]` or `{"a":true,"b":true,"c":false}` → `['a','b']`; null where the source does not speak of them. */
export const wirePermissions = anything.transform((value): string[] | null => {
  if (Array.isArray(value)) return value.filter((name) => typeof name === 'string');
  if (!isJsonObject(value)) return null;
  return Object.keys(value).filter((name) => value[name] === true);
});

export const wireEntitySchema = z.object({
  id: wireId,
  customer_id: wireOptionalId,
  app_user_id: wireText,
  bank_identifier: wireText,
  bank_details: wireObject(z.object({ identifier: wireText, name: wireText })),
  permissions: wirePermissions,
  /** RETAIL, SME. */
  bank_type: wireText,
  created_at: wireText,
  /** Only in lists by date. */
  updated_at: wireText,
  /** ACTIVE, DELETED, DISABLED, REMOVED; only in lists by date. */
  status: wireText,
  /** Only in `entity.reconnected`. */
  reconnect_id: wireOptionalId,
});
export type WireEntity = z.infer<typeof wireEntitySchema>;
