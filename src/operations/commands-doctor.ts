// `npm run ops -- doctor`: the first thing to run when something is odd, and the last before going live.
// Runs with whatever is left of a broken environment and changes nothing.
import { getCACertificates } from 'node:tls';
import { examine } from './doctor.ts';
import { rolesOf, type DoctorRole } from './doctor-configuration.ts';
import { findingLines } from './doctor-finding.ts';
import {
  numberOption,
  refuseOperands,
  UsageError,
  type CommandCall,
  type CommandGroup,
} from './operator-command.ts';
import { safeJson } from './operator-output.ts';
import { exitCodeOf } from './ops-certificates.ts';

const boundSeconds = 10;

export const doctorCommands: CommandGroup = {
  doctor: {
    usage: 'doctor',
    does: 'looks at everything this deployment stands on: one line each, what it means and what to do',
    options: {
      role: 'receiver, worker or both; by the variables that are set when left out',
      seconds: `how long all of it may take; ${boundSeconds} when left out`,
    },
    runsOnBrokenConfig: true,
    async run(call, { config, env = {}, database, lean, publicAuthorities, endSoon, write }) {
      refuseOperands(call);
      const seconds = numberOption(call, { name: 'seconds', fallback: boundSeconds, min: 1, max: 60 });
      const findings = await examine({
        config,
        env,
        asked: askedRoles(call) ?? rolesOf(env),
        database,
        lean,
        // Those that come with node: what this machine trusts beside them, Lean need not.
        authorities: publicAuthorities ?? getCACertificates('bundled'),
        now: new Date(),
        boundMs: seconds * 1_000,
      });
      write(call.json ? safeJson(findings) : findingLines(findings));
      const code = exitCodeOf(findings);
      endSoon?.(code);
      return code;
    },
  },
};

/** Null when it is not said. Throws UsageError. */
function askedRoles({ values }: CommandCall): readonly DoctorRole[] | null {
  const role = values['role'];
  if (role === undefined) return null;
  if (role === 'receiver' || role === 'worker') return [role];
  if (role === 'both') return ['receiver', 'worker'];
  throw new UsageError('--role takes receiver, worker or both');
}
