// The command line of `simulate -- acceptance`, and the settings a deployment under test must have. Starts nothing.
import { parseArgs } from 'node:util';
import { AcceptanceRefused, type AcceptanceWish } from './acceptance.ts';
import { furtherKinds, type FurtherKind } from './acceptance-compare.ts';
import { acceptancePrefix, webhooksMax, webhooksMin } from './acceptance-plan.ts';
import { developmentEnvironment, type DevelopmentSetup } from './dev-certificates.ts';

const defaultWebhooks = 2_000;
const defaultSeconds = 900;
const secondsMax = 86_400;

export const acceptanceHelp = `    plays Lean for a deployment of your own on this machine: ${defaultWebhooks} webhooks, then its tables field by field
    --target URL     the receiver's whole address, path included
    --database URL   the workers' database; one that may read is enough without --erase
    --schema NAME    DATABASE_SCHEMA of the deployment; lean
    --webhooks N     ${webhooksMin} to ${webhooksMax}; ${defaultWebhooks}
    --seconds N      bound on the whole; ${defaultSeconds}
    --data LIST      what SYNC_DATA of the deployment names beside accounts, balances and transactions
    --erase          erases this run's customers at its end; their ids begin with ${acceptancePrefix}
    --print-env      prints the settings the deployment must have, and ends`;

/** Null where only the settings are to be printed. Throws AcceptanceRefused. */
export function readAcceptanceWish(
  args: readonly string[],
  setup: DevelopmentSetup,
): Omit<AcceptanceWish, 'setup' | 'dataDir' | 'say'> | null {
  const values = parse(args);
  if (values['print-env'] === true) return null;
  const { target = setup.webhookUrl, database, schema = 'lean', data = '' } = values;
  if (database === undefined) throw new AcceptanceRefused('--database is missing: where are the rows?');
  if (!URL.canParse(target)) throw new AcceptanceRefused('--target takes a whole address');
  return {
    target,
    databaseUrl: database,
    schema,
    webhooks: wholeNumber('--webhooks', values.webhooks, {
      fallback: defaultWebhooks,
      min: webhooksMin,
      max: webhooksMax,
    }),
    seconds: wholeNumber('--seconds', values.seconds, { fallback: defaultSeconds, min: 1, max: secondsMax }),
    kinds: readKinds(data),
    erase: values.erase === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    target: text,
    database: text,
    schema: text,
    webhooks: text,
    seconds: text,
    data: text,
    erase: flag,
    'print-env': flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new AcceptanceRefused(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(
  name: string,
  text: string | undefined,
  { fallback, min, max }: { readonly fallback: number; readonly min: number; readonly max: number },
): number {
  if (text === undefined) return fallback;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new AcceptanceRefused(`${name} takes a whole number from ${min} to ${max}`);
}

const alwaysRead: ReadonlySet<string> = new Set(['accounts', 'balances', 'transactions']);

function readKinds(list: string): readonly FurtherKind[] {
  const names = list.split(',').filter((name) => name !== '' && !alwaysRead.has(name));
  return names.map((name) => {
    const kind = kindNames.find((known) => known === name);
    if (kind === undefined) throw new AcceptanceRefused(`--data does not know ${name}`);
    return kind;
  });
}

const kindNames = [
  'identity',
  'beneficiaries',
  'direct_debits',
  'standing_orders',
  'scheduled_payments',
] as const satisfies readonly (keyof typeof furtherKinds)[];

/** As lines of an environment file. */
export function printedEnvironment(setup: DevelopmentSetup): string {
  const environment = { ...developmentEnvironment(setup), LEAN_RATE_LIMIT_PER_SECOND: '0' };
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n');
}
