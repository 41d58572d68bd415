// The way of `npm run ops -- sql` into a database that lives inside `npm start`.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSqlSocket } from '../../src/embedded/sql-socket.ts';
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
    const socket = await startSqlSocket(path, test.database);
    const client = connect(path);
    client.write(`${JSON.stringify({ sql: 'select 1 as one' })}\n`);
    const [line] = await once(client, 'data');
    expect(JSON.parse(String(line))).toEqual({ rows: [{ one: 1 }] });
    await socket.close();
  });

  it('closes although a client keeps its connection and says nothing', async () => {
    const path = join(home, 'idle.sock');
    const socket = await startSqlSocket(path, test.database);
    const client = connect(path);
    await once(client, 'connect');
    const ended = once(client, 'close');
    await socket.close();
    await ended;
    expect(client.destroyed).toBe(true);
  });
});
