// The version of this service, as package.json has it. Read when asked, and never a reason not to start.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageSchema = z.looseObject({ version: z.string().max(40) });

/** `unknown` where the file did not come along. */
export function serviceVersion(): string {
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    return packageSchema.parse(JSON.parse(text)).version;
  } catch {
    return 'unknown';
  }
}
