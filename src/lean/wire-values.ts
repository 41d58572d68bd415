// How single values of Lean's JSON are read: anything optional that is odd becomes null, so that one strange field
// never costs an item. Input is what parseLossless gives.
import { z } from 'zod';
import { storableText } from '../core/clean-text.ts';
import { isJsonObject, LosslessNumber } from '../core/lossless-json.ts';
import { parseDecimal } from '../core/money.ts';

/** Longer ids do not fit an index row, and none of Lean's is longer than 36. */
const idLengthLimit = 200;

/** A member that may be absent; zod demands presence of a plain `unknown` that is transformed. */
export const anything = z.unknown().optional();

/** Text as written; a number by its digits; blank, absent, null and everything else is null. */
export const wireText = anything.transform(readText);

/** An id that can be a key: 1 to 200 characters that Postgres can hold. Required. */
export const wireId = anything.transform((value, context): string => {
  const id = readId(value);
  if (id !== null) return id;
  context.addIssue({ code: 'custom', message: 'not an id' });
  return z.NEVER;
});

/** As `wireId`, null where there is none. */
export const wireOptionalId = anything.transform(readId);

/** An exact decimal as `parseDecimal` writes it. Required. */
const wireDecimal = anything.transform((value, context): string => {
  const text = readText(value);
  const decimal = text === null ? null : parseDecimal(text);
  if (decimal !== null) return decimal;
  context.addIssue({ code: 'custom', message: 'not a decimal of at most 20 digits on either side' });
  return z.NEVER;
});

export const wireBoolean = anything.transform((value) => (typeof value === 'boolean' ? value : null));

/** A count or an index: a whole number that a JavaScript number holds exactly, else null. Never for money. */
export const wireCount = anything.transform((value): number | null => {
  const count = value instanceof LosslessNumber ? Number(value.source) : Number.NaN;
  return Number.isSafeInteger(count) && count >= 0 ? count : null;
});

export const wireMoney = z.object({ amount: wireDecimal, currency: wireText });

/** Money that may be absent: then null. Where it is there and odd its amount is null. */
export const wireOptionalMoney = anything.transform(
  (value): { readonly amount: string | null; readonly currency: string | null } | null => {
    if (value === undefined || value === null) return null;
    const parsed = wireMoney.safeParse(value);
    return parsed.success ? parsed.data : { amount: null, currency: null };
  },
);

/** A part that may be absent, null or odd: then null. */
export function wireObject<Schema extends z.ZodType>(schema: Schema) {
  return anything.transform((value): z.output<Schema> | null => {
    // A number is an object to zod, being one with its digits.
    const parsed = isJsonObject(value) ? schema.safeParse(value) : null;
    return parsed?.success === true ? parsed.data : null;
  });
}

/** A list of objects that may be absent, null or odd; its odd members are left out. */
export function wireList<Schema extends z.ZodType>(schema: Schema) {
  return anything.transform((value): z.output<Schema>[] => {
    if (!Array.isArray(value)) return [];
    return value.filter(isJsonObject).flatMap((member) => {
      const parsed = schema.safeParse(member);
      return parsed.success ? [parsed.data] : [];
    });
  });
}

function readText(value: unknown): string | null {
  const text = value instanceof LosslessNumber ? value.source : value;
  return typeof text === 'string' && text.trim() !== '' ? text : null;
}

function readId(value: unknown): string | null {
  const id = readText(value);
  return id !== null && id.length <= idLengthLimit && storableText(id) === id ? id : null;
}
