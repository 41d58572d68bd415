// The rules between variables: what needs what, what this version does not do, what deserves a warning.
// Works on the texts, so that every problem shows at once even where a single value is wrong too.
import type { FailureCode } from '../core/failure-codes.ts';
import { variableFacts, variableNames, type Role, type VariableName } from './env-schema.ts';

export type Texts = Partial<Record<VariableName, string>>;

export interface ConfigWarning {
  readonly code?: FailureCode;
  readonly variable: string;
  readonly problem: string;
}

type Problem = readonly [name: VariableName, problem: string];

export function findProblems(role: Role, texts: Texts): Problem[] {
  const receives = role === 'receiver' || role === 'all';
  const works = role === 'worker' || role === 'all';
  return [
    ...pairProblems(texts),
    ...unsupported(texts),
    ...(receives ? receiverProblems(texts) : []),
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

function receiverProblems(texts: Texts): Problem[] {
  const problems: Problem[] = [];
  const verify = texts.VERIFY ?? '';
  const needed = (name: VariableName, when: string) => {
    if (texts[name] === undefined) problems.push([name, `is required with ${when}`]);
  };
  if (verify === 'none' && texts.LEAN_ENVIRONMENT !== 'sandbox')
    problems.push(['VERIFY', 'may be none only with LEAN_ENVIRONMENT=sandbox']);
  if (verify.includes('certificate')) {
    needed('LEAN_CA_FILE', `VERIFY=${verify}`);
    needed('LEAN_CLIENT_NAMES', `VERIFY=${verify}`);
  }
  const judgesCertificate = verify.includes('certificate') || texts.VERIFY_SHADOW === 'certificate';
  const pinned = texts.LEAN_CLIENT_NAMES?.split(',');
  const pinsNoKey = pinned?.every((name) => !name.trim().startsWith('sha256/')) ?? false;
  if (judgesCertificate && texts.LEAN_CLIENT_PURPOSE === 'serverAuth' && pinsNoKey)
    problems.push(['LEAN_CLIENT_NAMES', 'needs a sha256/ entry with LEAN_CLIENT_PURPOSE=serverAuth']);
  if (texts.VERIFY_SHADOW === 'certificate') problems.push(...shadowProblems(texts));
  if (verify.includes('signature')) needed('LEAN_WEBHOOK_SECRET', `VERIFY=${verify}`);
  if (textOf(texts, 'TLS_TERMINATION') === 'receiver') {
    needed('TLS_CERT_FILE', 'TLS_TERMINATION=receiver');
    needed('TLS_KEY_FILE', 'TLS_TERMINATION=receiver');
  }
  if (texts.TLS_TERMINATION === 'proxy' && verify.includes('certificate'))
    problems.push(['TLS_TERMINATION', 'proxy with a forwarded certificate is not supported by this version']);
  return problems;
}

/** The certificate is asked for and judged beside the signature, so all that its judgement needs must be there. */
function shadowProblems(texts: Texts): Problem[] {
  const names = ['LEAN_CA_FILE', 'LEAN_CLIENT_NAMES'] as const;
  const when = 'is required with VERIFY_SHADOW=certificate';
  const problems = names.filter((name) => texts[name] === undefined).map((name): Problem => [name, when]);
  if (texts.VERIFY !== 'signature') problems.push(['VERIFY_SHADOW', 'certificate needs VERIFY=signature']);
  if (textOf(texts, 'TLS_TERMINATION') !== 'receiver')
    problems.push(['VERIFY_SHADOW', 'certificate needs TLS_TERMINATION=receiver']);
  return problems;
}

function sealingProblems(texts: Texts): Problem[] {
  const needsKeys = texts.LEAN_ENVIRONMENT === 'production' && textOf(texts, 'PAYLOAD_SEALING') === 'on';
  return needsKeys && texts.PAYLOAD_KEYS === undefined
    ? [['PAYLOAD_KEYS', 'is required in production, or set PAYLOAD_SEALING=off']]
    : [];
}

function workerProblems(texts: Texts): Problem[] {
  if (texts.LEAN_ENVIRONMENT !== 'production') return [];
  const files = ['LEAN_CERT_FILE', 'LEAN_KEY_FILE'] as const;
  return files
    .filter((name) => texts[name] === undefined)
    .map((name) => [name, 'is required in production'] as const);
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

const storedKinds = new Set(['accounts', 'balances', 'transactions']);

function unsupported(texts: Texts): Problem[] {
  const later: readonly (readonly [VariableName, boolean, string])[] = [
    ['VERIFY_SHADOW', texts.VERIFY_SHADOW === 'signature', 'signature '],
    ['FORWARDED_CERT_HEADER', texts.FORWARDED_CERT_HEADER !== undefined, ''],
    ['TRUSTED_PROXIES', texts.TRUSTED_PROXIES !== undefined, ''],
    ['PROXY_PROTOCOL', texts.PROXY_PROTOCOL === 'on', 'on '],
    ['LEAN_API_VERSION', texts.LEAN_API_VERSION === 'v1', 'v1 '],
    ['LEAN_CLIENT_SECRET', texts.LEAN_CLIENT_SECRET !== undefined, ''],
    ['OPS_TOKEN', texts.OPS_TOKEN !== undefined, ''],
    [
      'SYNC_DATA',
      (texts.SYNC_DATA ?? 'accounts').split(',').some((kind) => !storedKinds.has(kind.trim())),
      'beyond accounts, balances and transactions ',
    ],
  ];
  return later
    .filter(([, set]) => set)
    .map(([name, , what]) => [name, `${what}is not supported by this version`] as const);
}

export function findWarnings(start: {
  readonly role: Role;
  readonly texts: Texts;
  readonly names: readonly string[];
}): readonly ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  if (start.role === 'receiver' || start.role === 'all') {
    if (start.texts.VERIFY === 'certificate') {
      const problem =
        'proves the sender, not that an event is meant for us: certificate+signature proves both';
      warnings.push({ code: 'ADDRESSEE_UNPROVEN', variable: 'VERIFY', problem });
    }
    if (start.texts.VERIFY === 'none')
      warnings.push({
        variable: 'VERIFY',
        problem: 'is none: ANYBODY who reaches this port is taken for Lean',
      });
  }
  return Object.freeze([...warnings, ...nearMisses(start.names)]);
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

function textOf(texts: Texts, name: VariableName): string | undefined {
  return texts[name] ?? variableFacts(name).fallback;
}
