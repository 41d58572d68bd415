// `npm run ops -- <command>`: reads the command line, runs one command, says what came of it.
// Exit 0 ok, 1 warning, 2 problem. Never changes data without asking; `sql` cannot change any.
import { parseArgs } from 'node:util';
import { AppError } from '../core/app-error.ts';
import type { Config } from '../config/load-config.ts';
import { textTable } from '../core/text-table.ts';
import { checkCertificates, exitCodeOf } from './ops-certificates.ts';
import { sqlOverPostgres, sqlOverSocket } from './ops-sql.ts';

export interface OpsOptions {
  readonly argv: readonly string[];
  readonly config: Config;
  readonly databaseUrl: string | undefined;
  readonly schema: string;
  /** Where a running `npm start` answers when there is no database URL. */
  readonly developmentSocket: string;
  readonly write: (text: string) => void;
}

interface Command {
  readonly usage: string;
  readonly does: string;
  readonly run: (operands: readonly string[], options: OpsOptions & { json: boolean }) => Promise<number>;
}

const commands: Readonly<Record<string, Command>> = {
  certificates: {
    usage: 'certificates check',
    does: 'whether the configured certificates, keys, lists and names can be used, and for how long',
    async run(operands, options) {
      if (operands.length !== 1 || operands[0] !== 'check') {
        options.write(helpText());
        return 2;
      }
      const findings = await checkCertificates(options.config, new Date());
      const lines = findings.map(
        ({ subject, state, message }) => `${state.padEnd(7)} ${subject}: ${message}`,
      );
      options.write(options.json ? JSON.stringify(findings) : lines.join('\n'));
      return exitCodeOf(findings);
    },
  },
  sql: {
    usage: 'sql "select …"',
    does: 'one read-only statement, names looked up in the service’s schema; at most 1,000 rows',
    async run([text, ...more], options) {
      if (text === undefined || more.length > 0)
        throw new AppError('SQL_REFUSED', 'give one statement in quotes');
      const rows = await (options.databaseUrl === undefined
        ? sqlOverSocket(options.developmentSocket, text)
        : sqlOverPostgres({ url: options.databaseUrl, schema: options.schema, text }));
      options.write(options.json ? JSON.stringify(rows) : textTable(rows));
      return 0;
    },
  },
};

export const opsCommandNames: readonly string[] = Object.keys(commands);

export async function runOpsCommand(options: OpsOptions): Promise<number> {
  const given = readArguments(options.argv);
  const [name = '', ...operands] = given?.positionals ?? [];
  const command = commands[name];
  if (given === null || given.values.help || command === undefined) {
    options.write(helpText());
    return given?.values.help ? 0 : 2;
  }
  const { values } = given;
  try {
    return await command.run(operands, { ...options, json: values.json });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    options.write(
      values.json
        ? JSON.stringify({ code: error.code, message: error.message })
        : `${error.code}: ${error.message}`,
    );
    return 2;
  }
}

/** Null for an option nobody knows. */
function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { help: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    });
  } catch {
    return null;
  }
}

function helpText(): string {
  const lines = Object.values(commands).map(({ usage, does }) => `  ${usage.padEnd(18)} ${does}`);
  return ['npm run ops -- <command> [--json]', '', ...lines].join('\n');
}
