// The plans by which Postgres really answers at a million transactions, by its own statistics: nothing is switched off, and
// none of the statements of all day reads a table that has grown from end to end. Writes them down where asked to.
import { writeFileSync } from 'node:fs';
import { CompiledQuery } from 'kysely';
import { describe, expect, it } from 'vitest';
import { openDatabase, postgresDialect, type Database } from '../../src/store/database.ts';
import { applicationReads } from '../bench/scenarios/growth-views.ts';
import { engines } from '../support/engines.ts';
import { grownAccount, grownTables, growTables } from '../support/grown-tables.ts';
import { hotStatements, plainText } from '../support/hot-statements.ts';
import { longTests } from '../support/long-tests.ts';
import { readPlan, wholeReads } from '../support/statement-plans.ts';
import type { SentStatement } from '../support/watched-statements.ts';
import { watchWholeWork } from '../support/watched-work.ts';
import { createWholeWorld } from '../support/whole-work.ts';

const transactions = 1_000_000;
const timeoutMs = 1_800_000;
/** Where the plans go, such as docs/hot-statements.md; nowhere when it is not set. */
// oxlint-disable-next-line node/no-process-env -- it is of whoever writes the documentation
const documentPath = process.env['HOT_STATEMENTS_FILE'];
const textLimit = 700;

interface Explained {
  readonly name: string;
  readonly text: string;
  readonly plan: string;
  readonly reads: readonly string[];
}

/** What it does is taken back. */
async function explainOne({ db }: Database, name: string, sent: SentStatement): Promise<Explained> {
  const transaction = await db.startTransaction().execute();
  const ask = async (how: string) =>
    (await transaction.executeQuery(CompiledQuery.raw(`explain (${how}) ${sent.sql}`, [...sent.parameters])))
      .rows;
  try {
    const reads = wholeReads(readPlan(await ask('format json, costs off')));
    const lines = await ask('analyze, buffers, costs off, timing off');
    const plan = lines.flatMap((line) => Object.values(line ?? {})).join('\n');
    return { name, text: sent.sql, plan, reads: reads.filter(isOfGrown) };
  } finally {
    await transaction.rollback().execute();
  }
}

/** An index that is read as a whole holds only what is open, which is nothing here. */
const isOfGrown = (read: string): boolean =>
  read.startsWith('Seq Scan') && grownTables.some((table) => read.endsWith(` of ${table}`));

async function explainAll(database: Database, sent: readonly SentStatement[]): Promise<Explained[]> {
  const explained: Explained[] = [];
  for (const [name, pattern] of Object.entries(hotStatements)) {
    const found = sent.find(({ sql: text }) => pattern.test(plainText(text, database.schema)));
    if (found === undefined) throw new Error(`no statement is there: ${name}`);
    explained.push(await explainOne(database, name, found));
  }
  const account = await grownAccount(database.db, transactions / 1_000);
  for (const { name, statement } of applicationReads) {
    const read = statement(database, account, transactions / 10).compile(database.db);
    explained.push(await explainOne(database, `the application reads ${name}`, read));
  }
  return explained;
}

function documentOf(explained: readonly Explained[], { schema }: Database): string {
  const sections = explained.map(({ name, text, plan }) => {
    const said = plainText(text, schema).replaceAll(/\s+/g, ' ').trim();
    const cut = said.length > textLimit ? `${said.slice(0, textLimit)} …` : said;
    return `## ${name}\n\n\`\`\`sql\n${cut}\n\`\`\`\n\`\`\`\n${plan.replaceAll(schema, 'S')}\n\`\`\`\n`;
  });
  return `${introduction}\n${sections.join('\n')}`;
}

const introduction = `# The statements of all day, and their plans

Taken from Postgres itself (\`EXPLAIN (ANALYZE, BUFFERS)\`), at ${transactions.toLocaleString('en')} transactions, with nothing switched off and by its own
statistics; \`S\` is the schema. Written by

\`\`\`sh
LONG_TESTS=1 HOT_STATEMENTS_FILE=docs/hot-statements.md npm test -- --engines=real test/integration/hot-statements-grown.test.ts
\`\`\`

which the nightly run repeats without writing: it fails when one of them reads a grown table from end to end. Every other
statement of a worker is judged by \`test/integration/hot-statements.test.ts\`.
`;

describe('at a million transactions', () => {
  it(
    'no statement of all day reads a grown table from end to end',
    { timeout: timeoutMs },
    async (context) => {
      const { databaseUrl } = engines;
      if (databaseUrl === undefined) return context.skip('needs a real Postgres');
      context.skip(!longTests, 'takes minutes: LONG_TESTS=1');
      const world = await createWholeWorld();
      context.onTestFinished(() => world.close());
      const { sent } = await watchWholeWork(world, databaseUrl);
      const dialect = postgresDialect({
        url: databaseUrl,
        poolSize: 2,
        applicationName: 'test',
        onIdleError: () => undefined,
        statementTimeoutMs: timeoutMs,
      });
      const database = openDatabase({ schema: world.test.schema, dialect });
      context.onTestFinished(() => database.close());
      await growTables(database, { transactions });
      const explained = await explainAll(database, [...sent.values()]);
      if (documentPath !== undefined) writeFileSync(documentPath, documentOf(explained, database));
      expect(explained.flatMap(({ name, reads }) => reads.map((read) => `${name}: ${read}`))).toEqual([]);
    },
  );
});
