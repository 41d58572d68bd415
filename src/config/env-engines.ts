// Variables of what lies behind the receiver: Redis, sealing, Postgres. Described here and nowhere else.
import {
  choice,
  keyList,
  matching,
  numberWithDefault,
  optional,
  postgresUrl,
  redisUrl,
  withDefault,
} from './env-fields.ts';

const postgresName = matching(
  /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
  'must be a lower-case Postgres name of at most 63 characters',
);

export const redisVariables = {
  REDIS_URL: optional(redisUrl, {
    describe:
      '`redis://` or `rediss://`; several nodes separated by commas are a Cluster; ' +
      '`sentinel://host:port,host:port/name` asks Sentinels.',
    secret: true,
  }),
  QUEUE_PREFIX: optional(
    matching(/^[^\s:]{1,100}$/, 'must be at most 100 characters without spaces and colons'),
    {
      workedOut: '{lean-<environment>-<region>}',
      describe: 'Prefix of every key in Redis. The braces keep it on one slot of a Cluster.',
    },
  ),
  REDIS_DEADLINE_MS: numberWithDefault({
    fallback: '2000',
    min: 50,
    max: 60_000,
    unit: 'ms',
    describe: "Bound on any single Redis command of the receiver's forwarder.",
  }),
};

export const sealingVariables = {
  PAYLOAD_KEYS: optional(keyList, {
    describe:
      'Keys that seal bodies and raw items in journal, Redis and Postgres (AES-256-GCM): base64 of 32 bytes, ' +
      'separated by commas. The first seals, all of them open.',
    needed: 'in production unless PAYLOAD_SEALING=off',
    secret: true,
  }),
  PAYLOAD_SEALING: withDefault(choice(['on', 'off']), {
    fallback: 'on',
    describe: '`off` keeps bodies as they came, where the disks are encrypted anyway.',
  }),
};

export const databaseVariables = {
  DATABASE_URL: optional(postgresUrl, {
    describe: 'Postgres of the workers; its role needs to read and write rows, nothing more.',
    secret: true,
  }),
  DATABASE_SCHEMA: withDefault(postgresName, {
    fallback: 'lean',
    describe: 'Schema of every table, view and function.',
  }),
  DATABASE_POOL_SIZE: numberWithDefault({
    fallback: '8',
    min: 2,
    max: 200,
    describe: 'Connections to Postgres per worker.',
  }),
  MIGRATION_DATABASE_URL: optional(postgresUrl, {
    describe: 'Postgres as the role that owns the schema, for `npm run migrate`; DATABASE_URL when not set.',
    secret: true,
  }),
  DATABASE_READER_ROLE: optional(postgresName, {
    describe: "The application's role, which `npm run migrate` lets read the views.",
  }),
  DATABASE_APP_ROLE: optional(postgresName, {
    workedOut: 'lean_app',
    describe:
      "The application's role, which `npm run migrate` lets ask for something: a refresh, a sync, an erasure. " +
      'With `LEAN_ENVIRONMENT=production` nothing is assumed: where it is not set, nobody may.',
  }),
};
