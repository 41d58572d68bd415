// The way of `npm run ops` into a database that lives inside `npm start`: rows, and commands that are run there.
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSqlSocket } from '../../src/embedded/sql-socket.ts';
import { runInDevelopment } from '../../src/operations/ops-development.ts';
import { sqlOverSocket } from '../../src/operations/ops-sql.ts';
import { eventually } from '../support/eventually.ts';
import { operate } from '../support/operator.ts';
import { openTestDatabase, type TestDatabase } from '../support/engines.ts';

let test: TestDatabase;
const home = mkdtempSync(join(tmpdir(), 'sql-socket-'));
beforeAll(async () => {
  test = await openTestDatabase();
});
afterAll(async () => {
  await test.drop();
  rmSync(home, { recursive: true, force: true });
});

describe('the socket for SQL', () => {
  it('answers a statement with its rows, in one line', async () => {
    const path = join(home, 'answers.sock');
    const socket = await startSqlSocket({ path, database: test.database });
    const client = connect(path);
    client.write(`${JSON.stringify({ sql: 'select 1 as one' })}\n`);
    const [line] = await once(client, 'data');
    expect(JSON.parse(String(line))).toEqual({ rows: [{ one: 1 }] });
    await socket.close();
  });

  it('answers numbers beyond those of JSON as digits, also in arrays', async () => {
    const path = join(home, 'digits.sock');
    const socket = await startSqlSocket({ path, database: test.database });
    const text = `select array[9007199254740993]::bigint[] as many, 9007199254740993::bigint as one`;
    const one = '9007199254740993';
    expect(JSON.stringify(await sqlOverSocket(path, text))).toContain(`"one":"${one}"`);
    expect(String((await sqlOverSocket(path, text))[0]?.['many'])).toBe(one);
    await socket.close();
  });

  it('outlives a client that is gone while output is on its way', async () => {
    const path = join(home, 'gone.sock');
    let asked: Socket | null = null;
    const broken = Promise.withResolvers<void>();
    const socket = await startSqlSocket({
      path,
      database: test.database,
      async runCommand({ write, stop }) {
        asked?.destroy();
        // More than lies between the two, so that some of it meets nobody.
        while (!stop.aborted) {
          write('x'.repeat(100_000));
          await new Promise((resolve) => void setImmediate(resolve));
        }
        broken.resolve();
        return 0;
      },
    });
    asked = connect(path);
    asked.write(`${JSON.stringify({ ops: ['sweep', '--follow'] })}\n`);
    await broken.promise;
    expect(await sqlOverSocket(path, 'select 1 as one')).toEqual([{ one: 1 }]);
    await socket.close();
  });

  it('closes although a client keeps its connection and says nothing', async () => {
    const path = join(home, 'idle.sock');
    const socket = await startSqlSocket({ path, database: test.database });
    const client = connect(path);
    await once(client, 'connect');
    const ended = once(client, 'close');
    await socket.close();
    await ended;
    expect(client.destroyed).toBe(true);
  });
});

describe('a command over the socket', () => {
  const never = new AbortController().signal;

  it('says what it says there as it comes, ends with its code, and finds the database', async () => {
    const path = join(home, 'runs.sock');
    const socket = await startSqlSocket({
      path,
      database: test.database,
      async runCommand({ argv, operator, write }, database) {
        const { code, output } = await operate(argv, { database, operator: operator ?? null });
        for (const line of output.split('\n')) write(line);
        return code;
      },
    });
    const said: string[] = [];
    const question = {
      socket: path,
      operator: 'amal',
      write: (text: string) => said.push(text),
      stop: never,
    };
    expect(await runInDevelopment({ ...question, argv: ['events', 'list'] })).toBe(0);
    expect(said).toEqual(['no such event']);
    expect(await runInDevelopment({ ...question, argv: ['events', 'nonsense'] })).toBe(2);
    await socket.close();
  });

  it('is ended in order by an interrupt, and where whoever asked is gone', async () => {
    const path = join(home, 'stops.sock');
    let stopped = 0;
    const socket = await startSqlSocket({
      path,
      database: test.database,
      async runCommand({ write, stop }) {
        write('begun');
        if (!stop.aborted) await once(stop, 'abort');
        stopped += 1;
        return 0;
      },
    });
    const interrupt = new AbortController();
    const write = () => interrupt.abort();
    const question = { socket: path, argv: ['sweep', '--follow'], operator: undefined };
    expect(await runInDevelopment({ ...question, write, stop: interrupt.signal })).toBe(0);

    const client = connect(path);
    client.write(`${JSON.stringify({ ops: ['sweep', '--follow'] })}\n`);
    await once(client, 'data');
    client.destroy();
    await eventually(() => expect(stopped).toBe(2));
    await socket.close();
  });

  it('says that nobody is there, or is there no more', async () => {
    const path = join(home, 'nobody.sock');
    const question = { socket: path, argv: ['sweep'], operator: undefined, write: () => 0, stop: never };
    await expect(runInDevelopment(question)).rejects.toMatchObject({ code: 'DEVELOPMENT_NOT_RUNNING' });
    const socket = await startSqlSocket({
      path,
      database: test.database,
      async runCommand() {
        await socket.close();
        return 0;
      },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(runInDevelopment(question)).rejects.toMatchObject({ code: 'DEVELOPMENT_NOT_RUNNING' });
  });
});
