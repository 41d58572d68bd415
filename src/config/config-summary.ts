// One line about what is in force, for the log at the start. Secrets show as `set`, URLs as hosts, defaults not at all.
import { variableFacts, variableNames, type VariableName } from './env-schema.ts';
import type { Config } from './load-config.ts';

export function summarizeConfig(config: Config): string {
  return variableNames
    .flatMap((name) => {
      const shown = show(name, config[name]);
      return shown === undefined ? [] : [`${name}=${shown}`];
    })
    .join(' ');
}

function show(name: VariableName, value: Config[VariableName]): string | undefined {
  if (value === undefined) return undefined;
  const { secret, fallback } = variableFacts(name);
  if (name === 'REDIS_URL' && typeof value === 'string') return redisHosts(value);
  if (secret && !name.endsWith('DATABASE_URL')) return Array.isArray(value) ? `set(${value.length})` : 'set';
  const text = asText(value);
  if (text === fallback) return undefined;
  const url = text.includes('://') ? URL.parse(text) : null;
  return url ? `${url.protocol}//${url.host}${url.pathname}` : text;
}

function asText(value: Exclude<Config[VariableName], undefined>): string {
  if (!Array.isArray(value)) return String(value);
  return value.map((item) => (typeof item === 'string' ? item : `${item.kind}:${item.value}`)).join(',');
}

/** The schema allows no comma in a password, and user and password end at the last `@` of a node. */
function redisHosts(urls: string): string {
  return urls
    .split(',')
    .map((url) => url.replace(/^([a-z]+:\/\/)?.*@/, '$1'))
    .join(',');
}
