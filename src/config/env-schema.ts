// Every variable of the service, once, in the order in which people meet them. Nothing else reads the environment.
import { z } from 'zod';
import { databaseVariables, redisVariables, sealingVariables } from './env-engines.ts';
import { factsOf, type Facts } from './env-fields.ts';
import { leanVariables, syncVariables } from './env-lean.ts';
import { acceptanceVariables, listenerVariables, verificationVariables } from './env-receiver.ts';
import { operationsVariables, retentionVariables, runningVariables } from './env-running.ts';

export const variableGroups = {
  'Public listener': listenerVariables,
  'Who is let in': verificationVariables,
  'Taking deliveries': acceptanceVariables,
  Redis: redisVariables,
  Sealing: sealingVariables,
  Postgres: databaseVariables,
  Lean: leanVariables,
  'What is fetched': syncVariables,
  Retention: retentionVariables,
  Running: runningVariables,
  'Operations listener and log': operationsVariables,
};

export const envSchema = z.object({
  ...listenerVariables,
  ...verificationVariables,
  ...acceptanceVariables,
  ...redisVariables,
  ...sealingVariables,
  ...databaseVariables,
  ...leanVariables,
  ...syncVariables,
  ...retentionVariables,
  ...runningVariables,
  ...operationsVariables,
});

const variableNameSchema = envSchema.keyof();
export type VariableName = z.infer<typeof variableNameSchema>;
export const variableNames: readonly VariableName[] = variableNameSchema.options;

const noFacts: Facts = { describe: '' };

export function variableFacts(name: VariableName): Facts {
  return factsOf.get(envSchema.shape[name]) ?? noFacts;
}

export const secretNames: readonly VariableName[] = variableNames.filter(
  (name) => variableFacts(name).secret === true,
);

/**
 * What each role needs whatever else is set; rules between variables are in config-rules.ts. `all` is receiver and
 * worker in one development process, which brings its own engines; `ops` checks what a command needs itself.
 */
const environment = { LEAN_ENVIRONMENT: true, LEAN_REGION: true } as const;
const needs = {
  receiver: { ...environment, VERIFY: true, REDIS_URL: true, QUEUE_PREFIX: true, OPS_PORT: true },
  worker: {
    ...environment,
    REDIS_URL: true,
    DATABASE_URL: true,
    LEAN_APP_TOKEN: true,
    QUEUE_PREFIX: true,
    OPS_PORT: true,
  },
  all: { ...environment, VERIFY: true, LEAN_APP_TOKEN: true, QUEUE_PREFIX: true, OPS_PORT: true },
  migrate: { ...environment, LEAN_APP_TOKEN: true, QUEUE_PREFIX: true },
  ops: {},
} as const;

export const roleSchemas = {
  receiver: envSchema.required(needs.receiver),
  worker: envSchema.required(needs.worker),
  all: envSchema.required(needs.all),
  migrate: envSchema.required(needs.migrate),
  ops: envSchema,
};
export type Role = keyof typeof roleSchemas;

export function rolesNeeding(name: VariableName): readonly string[] {
  return Object.entries(needs)
    .filter(([, names]) => Object.hasOwn(names, name))
    .map(([role]) => role);
}
