// `npm run ops -- certificates …`: looks at the configured files, and at what callers present.
// Never lets anybody in and never shows a key.
import { checkCertificates, exitCodeOf } from './ops-certificates.ts';
import { observeCallers } from './ops-observe.ts';
import { numberOption, refuseOperands, type CommandGroup } from './operator-command.ts';

const observeSecondsDefault = 3_600;
const observeSecondsMax = 86_400;
/** Of a flood only a few a minute are shown, so nobody ends it by noise. */
const observeCountDefault = 10_000;

export const certificatesCommands: CommandGroup = {
  'certificates check': {
    usage: 'certificates check',
    does: 'whether the configured certificates, keys, lists and names can be used, and for how long',
    async run(call, { config, write }) {
      refuseOperands(call);
      const findings = await checkCertificates(config, new Date());
      const lines = findings.map(
        ({ subject, state, message }) => `${state.padEnd(7)} ${subject}: ${message}`,
      );
      write(call.json ? JSON.stringify(findings) : lines.join('\n'));
      return exitCodeOf(findings);
    },
  },
  'certificates observe': {
    usage: 'certificates observe',
    does: 'listens in the receiver’s place and shows what callers present; answers 503, keeps nothing',
    options: {
      port: 'where to listen; PORT when left out, 0 takes any free one',
      count: `ends after so many requests that were shown; ${observeCountDefault} when left out`,
      seconds: `ends after so long; ${observeSecondsDefault} when left out`,
    },
    async run(call, { config, write, untilInterrupted }) {
      refuseOperands(call);
      const port = numberOption(call, { name: 'port', fallback: config.PORT, min: 0, max: 65_535 });
      const count = numberOption(call, {
        name: 'count',
        fallback: observeCountDefault,
        min: 1,
        max: 1_000_000,
      });
      const seconds = numberOption(call, {
        name: 'seconds',
        fallback: observeSecondsDefault,
        min: 1,
        max: observeSecondsMax,
      });
      const { json } = call;
      return observeCallers({ config, port, count, seconds, json, write, stop: untilInterrupted() });
    },
  },
};
