// The rules between variables: what needs what, what deserves a warning.
// Works on the texts, so that every problem shows at once even where a single value is wrong too.
import { callerProblems, callerWarnings } from './config-rules-callers.ts';
import { textOf, type ConfigWarning, type Problem, type Texts } from './config-texts.ts';
import { variableFacts, variableNames, type Role } from './env-schema.ts';

export function findProblems(role: Role, texts: Texts): Problem[] {
  const receives = role === 'receiver' || role === 'all';
  const works = role === 'worker' || role === 'all';
  return [
    ...pairProblems(texts),
    ...dialectProblems(texts),
    ...(receives ? callerProblems(texts) : []),
    ...(works || receives ? sealingProblems(texts) : []),
    ...(role === 'worker' ? workerProblems(texts) : []),
    ...(role === 'migrate' ? migrateProblems(texts) : []),
    ...(role === 'all' && texts.LEAN_ENVIRONMENT === 'production' ? [noProduction] : []),
  ];
}

const noProduction: Problem = [
  'LEAN_ENVIRONMENT',
  'production does not run in one process: use start:receiver and start:worker',
];

function sealingProblems(texts: Texts): Problem[] {
  const needsKeys = texts.LEAN_ENVIRONMENT === 'production' && textOf(texts, 'PAYLOAD_SEALING') === 'on';
  return needsKeys && texts.PAYLOAD_KEYS === undefined
    ? [['PAYLOAD_KEYS', 'is required in production, or set PAYLOAD_SEALING=off']]
    : [];
}

/** With OAuth2 production is called on a host that asks for no certificate. */
function workerProblems(texts: Texts): Problem[] {
  if (texts.LEAN_ENVIRONMENT !== 'production' || texts.LEAN_CLIENT_SECRET !== undefined) return [];
  const files = ['LEAN_CERT_FILE', 'LEAN_KEY_FILE'] as const;
  return files
    .filter((name) => texts[name] === undefined)
    .map((name) => [name, 'is required in production without LEAN_CLIENT_SECRET'] as const);
}

function migrateProblems(texts: Texts): Problem[] {
  return texts.MIGRATION_DATABASE_URL === undefined && texts.DATABASE_URL === undefined
    ? [['MIGRATION_DATABASE_URL', 'or DATABASE_URL is required by migrate']]
    : [];
}

function pairProblems(texts: Texts): Problem[] {
  const pairs = [
    ['TLS_CERT_FILE', 'TLS_KEY_FILE'],
    ['LEAN_CERT_FILE', 'LEAN_KEY_FILE'],
  ] as const;
  return pairs.flatMap(([certificate, key]): Problem[] => {
    if (texts[certificate] !== undefined && texts[key] === undefined)
      return [[key, `is required beside ${certificate}`]];
    if (texts[key] !== undefined && texts[certificate] === undefined)
      return [[certificate, `is required beside ${key}`]];
    return [];
  });
}

const kindsOfV1: ReadonlySet<string> = new Set(['accounts', 'balances', 'transactions', 'identity']);

function dialectProblems(texts: Texts): Problem[] {
  const kinds = (textOf(texts, 'SYNC_DATA') ?? '').split(',');
  return texts.LEAN_API_VERSION === 'v1' && kinds.some((kind) => !kindsOfV1.has(kind.trim()))
    ? [
        [
          'SYNC_DATA',
          'names what LEAN_API_VERSION=v1 does not have: it has accounts, balances, transactions, identity',
        ],
      ]
    : [];
}

export function findWarnings(start: {
  readonly role: Role;
  readonly texts: Texts;
  readonly names: readonly string[];
}): readonly ConfigWarning[] {
  const receives = start.role === 'receiver' || start.role === 'all';
  return Object.freeze([...(receives ? callerWarnings(start.texts) : []), ...nearMisses(start.names)]);
}

/** A name that is almost one of ours is most likely a slip of the pen that would go unnoticed. */
function nearMisses(names: readonly string[]): ConfigWarning[] {
  const ours = variableNames.flatMap((name) =>
    variableFacts(name).secret ? [name, `${name}_FILE`] : [name],
  );
  const known = new Set(ours);
  return names
    .filter((name) => !known.has(name))
    .flatMap((name) => {
      const meant = ours.find((our) => isNearMiss(name, our));
      return meant === undefined ? [] : [{ variable: name, problem: `is not known; was ${meant} meant?` }];
    });
}

/** Short names such as PORT have too many neighbours to tell a slip from another program's variable. */
function isNearMiss(name: string, our: string): boolean {
  if (our.length < 6 || Math.abs(name.length - our.length) > 2) return false;
  return editDistance(name, our) <= (our.length < 10 ? 1 : 2);
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[right.length] ?? 0;
}
