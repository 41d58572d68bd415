// The building blocks of the variables' schemas: each turns one text into a value or says what is wrong with it.
// A message names the rule and never repeats the text, which may be a secret.
import { z } from 'zod';

export type Unit = 'ms' | 'bytes' | 'days' | 'hours' | 'calls per second';

/** What people need to know of a variable beside its schema; `.env.example` and the README are made from it. */
interface VariableFacts {
  readonly describe: string;
  readonly unit?: Unit;
  /** In words: `1 to 65535`. */
  readonly bounds?: string;
  /** The text that counts when the variable is not set. */
  readonly fallback?: string;
  /** Said instead of a fallback where the default is worked out. */
  readonly workedOut?: string;
  /** When it is needed beyond the roles that always need it. */
  readonly needed?: string;
  /** Never shown, and may be given as `<NAME>_FILE`. */
  readonly secret?: true;
}
export type Facts = Readonly<VariableFacts>;

export const factsOf = z.registry<Facts>();

export function optional<Output>(schema: z.ZodType<Output, string>, facts: Facts) {
  const described = schema.optional().describe(facts.describe);
  factsOf.add(described, facts);
  return described;
}

export function withDefault<Output>(
  schema: z.ZodType<Output, string>,
  facts: Facts & { readonly fallback: string },
) {
  const described = schema.prefault(facts.fallback).describe(facts.describe);
  factsOf.add(described, facts);
  return described;
}

interface NumberFacts extends Omit<VariableFacts, 'bounds'> {
  readonly min: number;
  readonly max: number;
}

export function optionalNumber({ min, max, ...facts }: NumberFacts) {
  return optional(wholeNumber(min, max), { ...facts, bounds: `${min} to ${max}` });
}

export function numberWithDefault({ min, max, ...facts }: NumberFacts & { fallback: string }) {
  return withDefault(wholeNumber(min, max), { ...facts, bounds: `${min} to ${max}` });
}

function wholeNumber(min: number, max: number) {
  const problem = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,16}$/, problem)
    .transform(Number)
    .refine((value) => value >= min && value <= max, problem);
}

export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

export function matching(pattern: RegExp, problem: string) {
  return z.string().regex(pattern, problem);
}

export const anyText = z.string();
export const printableText = matching(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces');
export const httpsUrl = z
  .string()
  .refine((text) => URL.parse(text)?.protocol === 'https:', 'must be an https:// URL');
export const postgresUrl = z
  .string()
  .refine(
    (text) => ['postgres:', 'postgresql:'].includes(URL.parse(text)?.protocol ?? '') && !endsTooEarly(text),
    'must be a postgres:// or postgresql:// URL with a percent-encoded password',
  );

/** A `/`, `?` or `#` in the password ends the host there; what is left of the password would pass for a database's name. */
function endsTooEarly(url: string): boolean {
  const { pathname = '', search = '', hash = '' } = URL.parse(url) ?? {};
  return `${pathname}${search}${hash}`.includes('@');
}

const redisNodes = /^(rediss?:\/\/)?([^@/,\s]*@)?(\[[0-9a-f:]+\]|[^@/:,\s]+)(:\d{1,5})?(\/\d{0,2})?$/i;
const sentinels = /^sentinel:\/\/([^@/,\s]*@)?[^@/\s]+\/[\w.-]+$/;
export const redisUrl = z
  .string()
  .refine(
    (text) =>
      sentinels.test(text) ||
      (/^rediss?:\/\//.test(text) && text.split(',').every((node) => redisNodes.test(node))),
    'must be redis://host:port, rediss://host:port, several of these separated by commas, ' +
      'or sentinel://host:port,host:port/name, with a percent-encoded password',
  );

/** Texts separated by commas; spaces around them do not count and there is at least one. */
const textList = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )
  .refine((items) => items.length > 0, 'must hold at least one value');

export const secretList = textList.refine(
  (items) => items.every((item) => /^[\x21-\x7e]+$/.test(item)),
  'must be printable ASCII without spaces, separated by commas',
);

/** The last digit of 32 bytes has two bits to spare; base64 that encodes back to itself leaves them empty. */
export const keyList = textList
  .refine(
    (items) => items.every((item) => /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(item)),
    'must be base64 of exactly 32 bytes each, separated by commas',
  )
  .refine((items) => new Set(items).size === items.length, 'must not hold a key twice');

export function listOf<const Values extends readonly [string, ...string[]]>(values: Values) {
  const item = z.enum(values);
  return textList
    .refine(
      (items) => items.every((text) => item.safeParse(text).success),
      `must be a list of ${values.join(', ')}`,
    )
    .transform((items) => [...new Set(items)].flatMap((text) => item.safeParse(text).data ?? []));
}

const network = z.union([z.cidrv4(), z.cidrv6()]);
const address = z.union([z.ipv4(), z.ipv6()]);

/** Of a network that one operator may hold: 10.0.0.0/8, and an IPv6 allocation of a whole provider. */
const leastPrefix = { ipv4: 8, ipv6: 16, privateIpv6: 7 } as const;
/** Bits in front of an IPv4 address that is mapped into IPv6. */
const mappedPrefix = 96;

/** Halves and quarters of everybody too. An IPv4 network that is mapped into IPv6 counts as what it is. */
function isTooWide(item: string): boolean {
  const [base = '', digits] = item.split('/');
  if (digits === undefined) return false;
  const prefix = Number(digits);
  if (!base.includes(':')) return prefix < leastPrefix.ipv4;
  // As a URL spells it: lower case, shortest, without dots.
  const shortest = URL.parse(`http://[${base}]/`)?.hostname.slice(1, -1) ?? '';
  if (/^::ffff:[\da-f]+:[\da-f]+$/.test(shortest)) return prefix - mappedPrefix < leastPrefix.ipv4;
  // What starts with 96 zeros holds every address of old, mapped or not, unless it is a single one.
  if (shortest.startsWith('::') && prefix <= mappedPrefix) return true;
  return prefix < (/^f[cd]/.test(shortest) ? leastPrefix.privateIpv6 : leastPrefix.ipv6);
}

/** Networks in CIDR notation; a lone address stands for itself. */
export const networkList = textList
  .refine(
    (items) => items.every((item) => network.safeParse(item).success || address.safeParse(item).success),
    'must be networks such as 10.0.0.0/8 or fd00::/8, separated by commas',
  )
  .refine(
    (items) => !items.some(isTooWide),
    'must not hold networks wider than /8 (IPv4) or /16 (IPv6), which trust half the world: name those of your proxies',
  )
  .transform((items) =>
    items.map((item) => {
      if (item.includes('/')) return item;
      return item.includes(':') ? `${item}/128` : `${item}/32`;
    }),
  );

const clientName = z.union([
  z
    .string()
    .regex(/^dns:(?=.{1,253}$)[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i)
    .transform((text) => ({ kind: 'dns' as const, value: text.slice('dns:'.length).toLowerCase() })),
  z
    .string()
    .regex(/^uri:[a-z][a-z0-9+.-]*:[\x21-\x7e]+$/i)
    .transform((text) => ({ kind: 'uri' as const, value: text.slice('uri:'.length) })),
  z
    .string()
    .regex(/^sha256\/[A-Za-z0-9+/]{43}=$/)
    .transform((text) => ({ kind: 'spki' as const, value: text.slice('sha256/'.length) })),
]);

/** `spki`: base64 SHA-256 of the leaf's SubjectPublicKeyInfo in DER. No wildcards: a name is compared exactly. */
export const clientNameList = textList
  .refine(
    (items) => items.every((item) => clientName.safeParse(item).success),
    'must be dns:<name>, uri:<uri> or sha256/<base64 of 32 bytes>, separated by commas',
  )
  .transform((items) => items.flatMap((item) => clientName.safeParse(item).data ?? []));
