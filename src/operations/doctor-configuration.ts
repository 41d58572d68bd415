// `ops -- doctor`: which roles an environment is for, and whether they could start with its variables.
// Looks at nothing outside the environment and repeats no value.
import { inspectConfig, wrongNames, type Config, type InspectedConfig } from '../config/load-config.ts';
import { variableNames } from '../config/env-schema.ts';
import { coded, ok, problem, skipped, warning, type DoctorFinding } from './doctor-finding.ts';

export type DoctorRole = 'receiver' | 'worker';
export type DoctorEnvironment = Readonly<Record<string, string | undefined>>;

/** What only the one role needs: who has none of these is no such role. */
const marks: Readonly<Record<DoctorRole, readonly string[]>> = {
  receiver: ['VERIFY', 'TLS_CERT_FILE'],
  worker: ['DATABASE_URL', 'DATABASE_URL_FILE', 'LEAN_APP_TOKEN', 'LEAN_APP_TOKEN_FILE'],
};
const roles: readonly DoctorRole[] = ['receiver', 'worker'];

/** The roles that the variables speak of. */
export function rolesOf(env: DoctorEnvironment): DoctorRole[] {
  return roles.filter((role) => marks[role].some((name) => (env[name] ?? '') !== ''));
}

export function judgeConfiguration(
  env: DoctorEnvironment,
  asked: readonly DoctorRole[],
): readonly DoctorFinding[] {
  if (asked.length === 0) return [noRole];
  const left = roles.filter((role) => !asked.includes(role));
  const configured = rolesOf(env);
  return [
    ...asked.flatMap((role) => judgeRole(role, inspectConfig(role, env))),
    ...left.map((role) =>
      skipped(
        `${role} part`,
        configured.includes(role)
          ? 'not asked for: --role'
          : `this environment is not a ${role}'s: none of ${marks[role].join(', ')} is set (--role ${role} looks all the same)`,
      ),
    ),
  ];
}

/** The names of the variables that cannot be used; a secret's is its own, also where it came from a file. */
export function wrongVariables(env: DoctorEnvironment): ReadonlySet<string> {
  return wrongNames(inspectConfig('ops', env).problems);
}

const noRole = problem('configuration', {
  message: 'neither a receiver (VERIFY) nor a worker (DATABASE_URL, LEAN_APP_TOKEN) is configured here',
  cure: 'Run this with the environment of the role, as its process has it.',
});

function judgeRole(
  role: DoctorRole,
  { config, problems }: InspectedConfig<DoctorRole>,
): readonly DoctorFinding[] {
  const check = `${role} configuration`;
  if (config === null)
    return [...problems].map(([name, text]) =>
      problem(check, {
        message: `${name} ${text}`,
        cure: 'Set it as the table of variables in the README says; the role does not start until then.',
      }),
    );
  if (config.warnings.length === 0) return [ok(check, `a ${role} can start: ${countSet(config)}`)];
  return config.warnings.map(({ code, variable, problem: text }) => {
    const message = `${variable} ${text}`;
    if (code !== undefined) return coded(check, { state: 'warning', code, message });
    return warning(check, {
      message,
      cure: 'A start says the same and goes on; mend it, or leave it if it is meant.',
    });
  });
}

function countSet(config: Config): string {
  const set = variableNames.filter((name) => config[name] !== undefined).length;
  return `${set} of ${variableNames.length} variables have a value, defaults included`;
}
