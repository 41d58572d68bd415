// Takes the list out of a reply item by item, each with its own source text. An item that cannot be read is reported
// and never holds up its neighbours.
import type { z } from 'zod';
import { sliceItems } from '../core/json-slices.ts';
import { isJsonObject } from '../core/lossless-json.ts';

export interface WireItem<Wire> {
  readonly wire: Wire;
  /** Lean's own text of the item. */
  readonly raw: string;
}

export interface UnreadableItem {
  readonly raw: string;
  /** Which members are wrong and how; never a value. */
  readonly reason: string;
}

export interface ItemList<Wire> {
  readonly items: WireItem<Wire>[];
  readonly unreadable: UnreadableItem[];
}

interface ListSource<Schema extends z.ZodType> {
  readonly bodyText: string;
  /** `bodyText` parsed by parseLossless. */
  readonly body: unknown;
  readonly path: readonly string[];
  readonly schema: Schema;
  /** The ids that were asked for; an item that names others is not ours to store here. */
  readonly belongsTo?: Readonly<Record<string, string>>;
}

/** Null where the reply holds no list under `path`: that is not the same as an empty one. */
export function readList<Schema extends z.ZodType>({
  bodyText,
  body,
  path,
  schema,
  belongsTo = {},
}: ListSource<Schema>): ItemList<z.output<Schema>> | null {
  const list = path.reduce((at: unknown, key) => (isJsonObject(at) ? at[key] : undefined), body);
  if (!Array.isArray(list)) return null;
  const raws = sliceItems(bodyText, path);
  const result: ItemList<z.output<Schema>> = { items: [], unreadable: [] };
  for (const [index, value] of list.entries()) {
    const raw = raws[index] ?? '';
    if (!isJsonObject(value)) {
      result.unreadable.push({ raw, reason: 'not an object' });
      continue;
    }
    const parsed = schema.safeParse(value);
    const stranger = foreignMember(value, belongsTo);
    if (!parsed.success) result.unreadable.push({ raw, reason: describeIssues(parsed.error) });
    else if (stranger !== null) result.unreadable.push({ raw, reason: `${stranger}: not the one asked for` });
    else result.items.push({ wire: parsed.data, raw });
  }
  return result;
}

function foreignMember(
  item: Readonly<Record<string, unknown>>,
  belongsTo: Readonly<Record<string, string>>,
): string | null {
  const foreign = Object.entries(belongsTo).find(([key, id]) => (item[key] ?? id) !== id);
  return foreign?.[0] ?? null;
}

/** Which members are wrong and how; never a value. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
}
