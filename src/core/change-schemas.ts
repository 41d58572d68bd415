// What the application is told, change by change: the schema of `details`, from which its type and the README's table
// are made. Ids, codes, counts and dates only: never a name, a number of an account, or a text that somebody wrote.
import { z } from 'zod';
import { AppError } from './app-error.ts';

// The kinds of values. What Lean wrote passes through `toldWord` first, so that none of its words can fail here.
const id = z.string().min(1);
const count = z.int().nonnegative();
const day = z.iso.date();
const time = z.iso.datetime();
const code = z.string().regex(/^[A-Z][A-Z0-9_]*$/);
const wordPattern = /^[\w.:/-]{1,100}$/;
const word = z.string().regex(wordPattern);

/** A word of Lean's that nobody enumerates; null where it has not the shape of one, and so might be anything. */
export function toldWord(text: string | null): string | null {
  return text !== null && wordPattern.test(text) ? text : null;
}

const ofSync = { syncId: id.optional().describe('the sync that brought it') };
const ofSweep = {
  source: z.literal('sweep').optional().describe('`sweep`: no webhook said so, a list of Lean did'),
};
const ofRenormalizing = {
  renormalized: z.literal(true).optional().describe('a new version has read the stored text anew'),
};

const inserted = count.describe('rows that are new');
const changed = count.describe('rows that say something else now');
const listed = z.strictObject({
  inserted,
  changed,
  removed: count.describe('rows that a complete list did not have any more'),
  ...ofSync,
  ...ofRenormalizing,
});

const read = count.describe('rows that were read');
const readIfAny = count.optional().describe('as above, where there were any');
const run = z.strictObject({
  syncId: id.describe('the sync'),
  reason: word.describe('`first`, `requested`, `refresh`, `sweep`'),
  accounts: read,
  balances: read,
  transactions: read,
  identities: readIfAny,
  beneficiaries: readIfAny,
  direct_debits: readIfAny,
  standing_orders: readIfAny,
  scheduled_payments: readIfAny,
  failureCode: code
    .nullable()
    .describe('why it failed; of a completed one, why the first list that is missing could not be read'),
});

interface ChangeFacts {
  /** Column `version`: counted up when a member goes or means something else, not when one is added. */
  readonly version: number;
  /** When it is told, for the README's table. */
  readonly means: string;
  readonly details: z.ZodObject;
}

export const changeSchemas = {
  'entity.connected': {
    version: 1,
    means: 'A customer has connected to a bank, anew or again, or a sweep has learnt more of the connection.',
    details: z.strictObject({
      bankIdentifier: id.nullable().optional().describe('the bank'),
      permissions: count.nullable().optional().describe('how many kinds of data may be read'),
      reconnected: z.literal(true).optional().describe('it had been there, and stopped'),
      ...ofSync,
      ...ofSweep,
    }),
  },
  'entity.action_required': {
    version: 1,
    means: 'Nothing more is fetched until the customer acts. Told again when there is another way to do so.',
    details: z.strictObject({
      reason: code.describe('a failure code, or `PERMISSIONS_REVOKED`'),
      reconnectId: id.nullable().describe("what the application hands to Lean's reconnect"),
      reconnectExpiresAt: time
        .nullable()
        .describe(
          'until when, by the 30 days of Lean’s documentation: no reply says it, so do not rely on it',
        ),
      ...ofSync,
      ...ofSweep,
    }),
  },
  'entity.ended': {
    version: 1,
    means: 'The connection is no more, and nothing is fetched for it. Told once.',
    details: z.strictObject({ reason: code.describe('a failure code'), ...ofSync, ...ofSweep }),
  },
  'consent.updated': {
    version: 1,
    means: 'A consent has another status.',
    details: z.strictObject({
      consentId: id.describe('the consent'),
      status: word.nullable().describe('as Lean writes it'),
      consentType: word.nullable().describe('as Lean writes it'),
      changed: count.optional().describe('1 with `renormalized`'),
      ...ofSync,
      ...ofSweep,
      ...ofRenormalizing,
    }),
  },
  'consent.expiring': {
    version: 1,
    means: 'A consent ends soon. Told 30, 7 and 1 days before, and anew when it was prolonged.',
    details: z.strictObject({
      consentId: id.describe('the consent'),
      expiresAt: time.describe('when it ends'),
      days: count.describe('how many are left at most'),
    }),
  },
  'bank.updated': {
    version: 1,
    means: 'A bank went away or is back. Names no entity.',
    details: z.strictObject({
      bankIdentifier: id.describe('the bank'),
      isAvailable: z.boolean().describe('whether it can be asked'),
      reason: code.nullable().optional().describe('why not, a failure code'),
      changed: count.optional().describe('1 with `renormalized`'),
      ...ofSweep,
      ...ofRenormalizing,
    }),
  },
  'account.updated': {
    version: 1,
    means: 'An account is new, says something else, or is not listed any more.',
    details: z.strictObject({
      inserted: z.boolean().optional().describe('whether it is new'),
      removed: z.literal(true).optional().describe('a complete list did not have it any more'),
      changed: count.optional().describe('1 with `renormalized`'),
      ...ofSync,
      ...ofRenormalizing,
    }),
  },
  'balances.updated': {
    version: 1,
    means: "An account's balances.",
    details: z.strictObject({ inserted, changed, ...ofSync, ...ofRenormalizing }),
  },
  'transactions.updated': {
    version: 1,
    means:
      "An account's transactions: for each page that brought something, and once at the end of the sync.",
    details: z.strictObject({
      inserted,
      changed,
      superseded: count.describe('rows that vanished or became a booking'),
      immutableChanged: count.optional().describe('those of `changed` that the bank had called `IMMUTABLE`'),
      from: day.nullable().describe('first UTC day that Lean was asked for, null: as far back as there is'),
      to: day.nullable().describe('last one, null: until now'),
      ...ofSync,
      ...ofRenormalizing,
    }),
  },
  'identities.updated': {
    version: 1,
    means: 'Who gave the consent, or holds an account.',
    details: listed,
  },
  'beneficiaries.updated': { version: 1, means: 'Whom the customer may pay.', details: listed },
  'direct_debits.updated': { version: 1, means: 'Who collects.', details: listed },
  'standing_orders.updated': { version: 1, means: 'Payments that repeat.', details: listed },
  'scheduled_payments.updated': { version: 1, means: 'Payments to come.', details: listed },
  'sync.completed': {
    version: 1,
    means: 'A sync has ended, and what could be read is stored.',
    details: run,
  },
  'sync.failed': { version: 1, means: 'A sync has ended without the list of accounts.', details: run },
  'event.recorded': {
    version: 1,
    means:
      'An event that the service does not handle itself, such as of payments, or one that only a sweep has found.',
    details: z.strictObject({
      type: word.nullable().describe("Lean's type, null where it has not the shape of one"),
      ...ofSweep,
    }),
  },
} as const satisfies Record<string, ChangeFacts>;

export type ChangeName = keyof typeof changeSchemas;
/** How it became known, where that was no event. */
export type ChangeOrigin = Pick<DetailsOf<'entity.ended'>, 'syncId' | 'source'>;
export type DetailsOf<Name extends ChangeName> = z.output<(typeof changeSchemas)[Name]['details']>;

/**
 * The version of a change whose details are as its schema has them. Throws CHANGE_INVALID, which names members and never
 * what is in them.
 */
export function checkedVersion(change: ChangeName, details: unknown): number {
  const schema: ChangeFacts = changeSchemas[change];
  const checked = schema.details.safeParse(details);
  if (checked.success) return schema.version;
  const flaws = checked.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? `has ${issue.keys.join(', ')}`
      : `${issue.path.join('.')} ${issue.code}`,
  );
  throw new AppError('CHANGE_INVALID', `details of ${change}: ${flaws.join('; ')}`);
}
