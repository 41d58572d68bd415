// Settings of a receiver for tests of the configuration, and what is wrong with settings.
import { loadConfig } from '../../src/config/load-config.ts';
import type { Role } from '../../src/config/env-schema.ts';
import { AppError } from '../../src/core/app-error.ts';

export const receiverEnv = {
  LEAN_ENVIRONMENT: 'sandbox',
  LEAN_REGION: 'sa',
  VERIFY: 'certificate+signature',
  LEAN_CA_FILE: 'lean.pem',
  LEAN_CLIENT_NAMES: 'dns:webhooks.leantech.me',
  LEAN_WEBHOOK_SECRET: 'whsec-old-secret,whsec-new-secret',
  TLS_CERT_FILE: 'server.crt',
  TLS_KEY_FILE: 'server.key',
  REDIS_URL: 'redis://user:hunter2@redis.internal:6379/1',
};

/** One problem a line, as the operator reads them. */
export function problemsOf(role: Role, env: Record<string, string | undefined>): string[] {
  try {
    loadConfig(role, env);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'CONFIG_INVALID') throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}
