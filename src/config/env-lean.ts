// Variables of the way to Lean: which Lean, as whom, what is fetched and how fast. Described here and nowhere else.
import { syncDataNames } from '../core/sync-data.ts';
import {
  anyText,
  choice,
  httpsUrl,
  listOf,
  numberWithDefault,
  optional,
  optionalNumber,
  printableText,
  withDefault,
} from './env-fields.ts';

export const leanVariables = {
  LEAN_ENVIRONMENT: optional(choice(['sandbox', 'production']), {
    describe: 'Which of the two this deployment serves; with the region it picks the hosts.',
  }),
  LEAN_REGION: optional(choice(['ae', 'sa']), {
    describe: '`ae`: United Arab Emirates, `sa`: Saudi Arabia.',
  }),
  LEAN_API_URL: optional(httpsUrl, { describe: 'Takes the place of the API host.' }),
  LEAN_AUTH_URL: optional(httpsUrl, { describe: 'Takes the place of the host that hands out tokens.' }),
  LEAN_API_VERSION: withDefault(choice(['v1', 'v2']), {
    fallback: 'v2',
    describe:
      "Dialect of Lean's data API: `v1` posts and has no pages, and only accounts, balances, transactions and identity.",
  }),
  LEAN_APP_TOKEN: optional(printableText, {
    describe: "The application's token, sent as `lean-app-token` on every call.",
    secret: true,
  }),
  LEAN_CLIENT_SECRET: optional(printableText, {
    describe:
      'Client secret; with it calls carry an OAuth2 token too. Its file is read again within 30 s of a change.',
    secret: true,
  }),
  LEAN_CERT_FILE: optional(anyText, {
    describe: 'Our client certificate for calls to Lean, PEM.',
    needed: 'in production without LEAN_CLIENT_SECRET',
  }),
  LEAN_KEY_FILE: optional(anyText, {
    describe: 'The key of LEAN_CERT_FILE, PEM.',
    needed: 'with LEAN_CERT_FILE',
  }),
  LEAN_RATE_LIMIT_PER_SECOND: numberWithDefault({
    fallback: '10',
    min: 0,
    max: 1000,
    unit: 'calls per second',
    describe: 'Calls to Lean by all workers together; 0 sets no limit.',
  }),
};

export const syncVariables = {
  SYNC_STALE_HOURS: numberWithDefault({
    fallback: '24',
    min: 1,
    max: 8760,
    unit: 'hours',
    describe: 'An active entity without a finished refresh for so long is asked for its refreshes.',
  }),
  SYNC_DATA: withDefault(listOf(syncDataNames), {
    fallback: 'accounts,balances,transactions',
    describe: 'What is fetched and stored, separated by commas; what is not listed is neither.',
  }),
  TRANSACTION_HISTORY_DAYS: optionalNumber({
    min: 1,
    max: 3650,
    unit: 'days',
    describe: "How far an entity's first sync reaches back; as far as Lean has data when not set.",
  }),
};
