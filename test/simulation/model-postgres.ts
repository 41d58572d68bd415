// Postgres as a model: transactions that see what was committed, row locks that make a second writer wait, unique keys,
// sessions that end with their process, and a server that may be away at any statement, COMMIT included.
import {
  Blocked,
  createModelTables,
  newTransaction,
  type Committed,
  type ModelTables,
  type ModelTransaction,
  type Row,
} from './model-tables.ts';
import type { Life, Schedule } from './schedule.ts';

/** One connection. */
export interface Session {
  readonly life: Life;
  transaction: ModelTransaction | null;
  /** The client has given it up. */
  isBroken: boolean;
  /** The server has. */
  isEnded: boolean;
}

export interface ModelPostgres {
  readonly tables: ModelTables;
  state: 'up' | 'down' | 'frozen';
  /** How often an answer is lost with its connection, 0 to 1. */
  losing: number;
  /** A right that was taken away: statements on this table are refused. */
  deniedTable: string | null;
  connect(life: Life): Promise<Session>;
  /** Runs one statement, or COMMIT and ROLLBACK, somewhere between asking and answering. */
  run<Value>(session: Session, what: string, act: (transaction: ModelTransaction) => Value): Promise<Value>;
  begin(session: Session): Promise<void>;
  commit(session: Session): Promise<void>;
  rollback(session: Session): Promise<void>;
  setState(state: ModelPostgres['state']): void;
  committed(table: string): Row[];
}

const statementTimeoutMs = 30_000;

export function pgError(code: string): Error {
  return Object.assign(new Error(`SQLSTATE ${code}`), { code });
}

interface ModelPostgresOptions {
  readonly schedule: Schedule;
  readonly onCommitted: (change: Committed) => void;
  readonly timedOut: () => Error;
}

export function createModelPostgres({
  schedule,
  onCommitted,
  timedOut,
}: ModelPostgresOptions): ModelPostgres {
  const { random } = schedule;
  const { tables, end, committed } = createModelTables(onCommitted);
  const sessions = new Set<Session>();
  const whenUp: (() => void)[] = [];

  function endSession(session: Session): void {
    session.isBroken = true;
    session.isEnded = true;
    if (session.transaction !== null) end(session.transaction, false);
    session.transaction = null;
    sessions.delete(session);
  }

  /** Runs `act` now or when the lock is free; a circle of waiters costs the one that closes it its statement. */
  function execute<Value>(
    { session, what }: { session: Session; what: string },
    act: (transaction: ModelTransaction) => Value,
    on: { value: (value: Value) => void; error: (error: Error) => void },
  ): void {
    if (session.isEnded) return on.error(lostConnection());
    const alone = session.transaction === null;
    const transaction = session.transaction ?? newTransaction();
    try {
      const value = act(transaction);
      if (alone) end(transaction, true);
      return on.value(value);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!(error instanceof Blocked)) {
        if (alone) end(transaction, false);
        transaction.isAborted = true;
        return on.error(error);
      }
      const { by } = error;
      for (let other: ModelTransaction | null = by; other !== null; other = other.waitsFor) {
        if (other !== transaction) continue;
        transaction.isAborted = true;
        return on.error(pgError('40P01'));
      }
      transaction.waitsFor = by;
      by.whenOver.push(() => {
        const again = () => {
          transaction.waitsFor = null;
          execute({ session, what }, act, on);
        };
        schedule.plan({ inMs: schedule.latencyMs(), what: `Postgres goes on with: ${what}`, run: again });
      });
      // A statement without a transaction of its own would hold what it has locked so far.
      if (alone) end(transaction, false);
    }
    return undefined;
  }

  const postgres: ModelPostgres = {
    tables,
    state: 'up',
    losing: 0,
    deniedTable: null,
    connect(life) {
      const { promise, resolve, reject } = Promise.withResolvers<Session>();
      const run = () => {
        if (postgres.state === 'down')
          return reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
        if (postgres.state === 'frozen') return reject(new Error('timeout exceeded when trying to connect'));
        const session: Session = { life, transaction: null, isBroken: false, isEnded: false };
        sessions.add(session);
        // The server notices a dead client some time later; until then its locks stand.
        life.onEnd(() =>
          schedule.plan({
            inMs: schedule.latencyMs(),
            what: `Postgres drops a session of ${life.name}`,
            run: () => endSession(session),
          }),
        );
        return resolve(session);
      };
      const inMs = postgres.state === 'frozen' ? 5_000 : schedule.latencyMs();
      schedule.plan({ inMs, what: `${life.name} connects to Postgres`, life, run });
      return promise;
    },
    run(session, what, act) {
      const { life } = session;
      if (session.isBroken) return Promise.reject(lostConnection());
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof act>>();
      const cancel = schedule.clockOf(life).after(statementTimeoutMs, () => {
        session.isBroken = true;
        reject(timedOut());
        // What lies in the socket is still done before the server sees that nobody is there.
        const drop = () => endSession(session);
        if (postgres.state === 'frozen') whenUp.push(drop);
        else
          schedule.plan({ inMs: schedule.latencyMs(), what: 'Postgres drops a silent session', run: drop });
      });
      const answer = (how: string, run: () => void) =>
        schedule.plan({
          inMs: schedule.latencyMs(),
          what: `${life.name} hears: ${what} ${how}`,
          life,
          run() {
            cancel();
            run();
          },
        });
      const arrive = () => {
        // What a process that died had handed to its socket may still be done, or not.
        if (life.isOver() && random.chance(0.5)) return;
        if (postgres.state === 'frozen') {
          whenUp.push(arrive);
          return;
        }
        if (postgres.state === 'down') endSession(session);
        execute({ session, what }, act, {
          value(value) {
            if (!random.chance(postgres.losing)) {
              answer('done', () => resolve(value));
              return;
            }
            endSession(session);
            answer('lost', () => reject(lostConnection()));
          },
          error: (error) => answer('failed', () => reject(error)),
        });
      };
      schedule.plan({ inMs: schedule.latencyMs(), what: `${life.name} asks Postgres: ${what}`, run: arrive });
      return promise;
    },
    async begin(session) {
      await postgres.run(session, 'begin', () => {
        session.transaction = newTransaction();
      });
    },
    async commit(session) {
      await postgres.run(session, 'commit', (transaction) => {
        session.transaction = null;
        // After a statement that failed Postgres answers this with ROLLBACK, and without an error.
        end(transaction, !transaction.isAborted);
      });
    },
    async rollback(session) {
      await postgres.run(session, 'rollback', (transaction) => {
        session.transaction = null;
        end(transaction, false);
      });
    },
    setState(state) {
      postgres.state = state;
      if (state === 'down') for (const session of sessions) endSession(session);
      if (state === 'up') for (const run of whenUp.splice(0)) run();
    },
    committed,
  };
  return postgres;
}

/** pg's own wording, which is all there is to tell it by. */
function lostConnection(): Error {
  return new Error('Connection terminated unexpectedly');
}
