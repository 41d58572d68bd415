// `npm run ops -- sql "select …"`. Can read and nothing else: the database itself refuses everything more.
import { AppError } from '../core/app-error.ts';
import { textTable } from '../core/text-table.ts';
import type { CommandGroup } from './operator-command.ts';
import { sqlOverPostgres, sqlOverSocket } from './ops-sql.ts';

export const sqlCommands: CommandGroup = {
  sql: {
    usage: 'sql "select …"',
    does: 'one read-only statement, names looked up in the service’s schema; at most 1,000 rows',
    async run({ operands: [text, ...more], json }, { databaseUrl, schema, developmentSocket, write }) {
      if (text === undefined || more.length > 0)
        throw new AppError('SQL_REFUSED', 'give one statement in quotes');
      const rows = await (databaseUrl === undefined
        ? sqlOverSocket(developmentSocket, text)
        : sqlOverPostgres({ url: databaseUrl, schema, text }));
      write(json ? JSON.stringify(rows) : textTable(rows));
      return 0;
    },
  },
};
